import type { IncomingMessage, Server, ServerResponse } from 'node:http'

import type { Arrival, Serve } from '../arrival.ts'
import { answerTunnels } from '../tunnels.ts'
import { answerUnparsed } from '../unparsed.ts'

type Listener = (request: IncomingMessage, response: ServerResponse) => void

/** A server whose one request listener is an Express application, as functions-framework and the emulator make them. */
export function isFrameworkServer(server: unknown): server is Server {
  if (typeof server !== 'object' || server === null || !('listeners' in server)) return false
  const listeners = (server as Server).listeners('request')
  const [app] = listeners as { handle?: unknown; set?: unknown }[]
  return listeners.length === 1 && typeof app?.handle === 'function' && typeof app.set === 'function'
}

/** Gives every request of a framework's server to `serve`, those that Node would answer by itself included. */
export function takeServer(server: Server, serve: Serve): void {
  const [framework] = server.listeners('request') as Listener[]
  server.removeAllListeners('request')
  const serveAs =
    (expects?: Arrival['expects']): Listener =>
    (request, response) =>
      void serve(request, response, { atMs: performance.now(), ...(expects && { expects }) })
  const servePlain = serveAs()
  server.on('request', (request: IncomingMessage, response: ServerResponse) => {
    if (framework !== undefined && isEmulatorsOwn(request)) framework(request, response)
    else servePlain(request, response)
  })
  server.on('checkContinue', serveAs('continue'))
  server.on('checkExpectation', serveAs('unknown'))
  answerTunnels(server, servePlain)
  answerUnparsed(server)
  // Node's own refusal of a request without Host has no body; the chain's has.
  Object.assign(server, { requireHostHeader: false })
}

/** The Functions emulator asks its workers for their health under a path of its own. */
function isEmulatorsOwn({ url }: IncomingMessage): boolean {
  return process.env['FUNCTIONS_EMULATOR'] === 'true' && url?.startsWith('/__/') === true
}
