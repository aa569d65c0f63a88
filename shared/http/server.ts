import { subscribe } from 'node:diagnostics_channel'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'

import { HttpError } from './http-error.ts'
import { log } from '../telemetry/log.ts'
import { takeProcess } from './process-end.ts'
import { plainAnswer } from './plain-answer.ts'
import { answerUnparsed } from './unparsed.ts'

/** How a request came in: what Node's request object does not say. */
export type Arrival = {
  /** performance.now() when its head had been parsed. */
  readonly atMs: number
  /** What the client wants to hear before it goes on: `continue` is the body's 100, anything else we cannot meet. */
  readonly expects?: 'continue' | 'unknown'
}

export type Serve = (request: IncomingMessage, response: ServerResponse, arrival: Arrival) => Promise<void>

type Listener = (request: IncomingMessage, response: ServerResponse) => void

const taken = new WeakSet<Server>()

/**
 * Puts `serve` in front of functions-framework, on the very server that the framework starts. The framework's own
 * middleware buffers and inflates bodies of up to 1 GiB before a function is called, answers what it cannot parse with
 * HTML, and ends with requests in flight; it is not asked any more. Called at module load, before that server exists.
 *
 * Node announces a server when it begins to listen (`tracing:net.server.listen`), and at every request
 * (`http.server.request.start`), which is looked at too in case the first was missed. Both channels are experimental:
 * where neither speaks, requests reach the function as the framework calls it, and are refused there.
 */
export function serveInFrontOfFramework(serve: Serve): void {
  const process = takeProcess()
  const take = (server: unknown) => {
    if (!isFrameworkServer(server) || taken.has(server)) return
    taken.add(server)
    takeRequests(server, serve)
    if (server.listening) process.begin()
    // After the framework's own listeners, which it adds once the server listens.
    else server.once('listening', () => setImmediate(process.begin))
  }
  subscribe('tracing:net.server.listen:asyncStart', (message) => take((message as { server: unknown }).server))
  subscribe('http.server.request.start', (message) => take((message as { server: unknown }).server))
}

function takeRequests(server: Server, serve: Serve): void {
  const [framework] = server.listeners('request') as Listener[]
  server.removeAllListeners('request')
  const served =
    (expects?: Arrival['expects']): Listener =>
    (request, response) =>
      void serve(request, response, { atMs: performance.now(), ...(expects && { expects }) })
  const plain = served()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (framework !== undefined && isEmulatorsOwn(request)) framework(request, response)
    else plain(request, response)
  })
  server.on('checkContinue', served('continue'))
  server.on('checkExpectation', served('unknown'))
  server.on('clientError', (error, socket) => answerUnparsed(error, socket))
  // Node's own refusal of a request without Host has no body; the chain's has.
  Object.assign(server, { requireHostHeader: false })
}

/** A server whose one request listener is an Express application, as functions-framework and the emulator make them. */
function isFrameworkServer(server: unknown): server is Server {
  if (typeof server !== 'object' || server === null || !('listeners' in server)) return false
  const listeners = (server as Server).listeners('request')
  const [app] = listeners as { handle?: unknown; set?: unknown }[]
  return listeners.length === 1 && typeof app?.handle === 'function' && typeof app.set === 'function'
}

/** The Functions emulator asks its workers for their health under a path of its own. */
function isEmulatorsOwn({ url }: IncomingMessage): boolean {
  return process.env['FUNCTIONS_EMULATOR'] === 'true' && url?.startsWith('/__/') === true
}

/** What the framework finds under the function's name. It is called only when nothing stands in front of it. */
export function refuseUnguarded(_request: IncomingMessage, response: ServerResponse): void {
  log('CRITICAL', 'request.unguarded', { node: process.version })
  const { status, headers, body } = plainAnswer(
    new HttpError('internal_error', { technical: 'The edge is not in front of this function' }),
  )
  response.writeHead(status, headers).end(body)
}
