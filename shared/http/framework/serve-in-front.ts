import type { IncomingMessage, Server, ServerResponse } from 'node:http'

import { log } from '../../telemetry/log.ts'
import type { Serve } from '../arrival.ts'
import { HttpError } from '../http-error.ts'
import { plainAnswer } from '../plain-answer.ts'
import { watchServers } from './announced-servers.ts'
import { takeProcess } from './take-process.ts'
import { isFrameworkServer, takeServer } from './take-server.ts'

const takenServers = new WeakSet<Server>()

/**
 * Puts `serve` in front of functions-framework, on the very server that the framework starts. Called at module load,
 * before that server exists. The README beside this file says why, and what it leans on.
 */
export function serveInFrontOfFramework(serve: Serve): void {
  const process = takeProcess()
  watchServers((server) => {
    if (!isFrameworkServer(server) || takenServers.has(server)) return
    takenServers.add(server)
    takeServer(server, serve)
    if (server.listening) process.begin()
    // After the framework's own listeners, which it adds once the server listens.
    else server.once('listening', () => setImmediate(process.begin))
  })
}

/** What the framework finds under the function's name. It is called only when nothing stands in front of it. */
export function refuseUnguarded(_request: IncomingMessage, response: ServerResponse): void {
  log('CRITICAL', 'request.unguarded', { node: process.version })
  const { status, headers, body } = plainAnswer(
    new HttpError('internal_error', { technical: 'The edge is not in front of this function' }),
  )
  response.writeHead(status, headers).end(body)
}
