import { subscribe, unsubscribe } from 'node:diagnostics_channel'

/** Says that a server begins to listen. Its listeners for `listening` have not been called yet. */
const LISTEN = 'tracing:net.server.listen:asyncStart'
/** Says that a request has come. Its server's listeners for `request` have not been called yet. */
const REQUEST = 'http.server.request.start'

/**
 * Calls `take` with every server of this process that begins to listen, and again with its server at every request, in
 * case the first was missed. Both channels are experimental in Node 24.
 * @returns stops watching
 */
export function watchServers(take: (server: unknown) => void): () => void {
  const onMessage = (message: unknown) => take((message as { server?: unknown }).server)
  for (const channel of [LISTEN, REQUEST]) subscribe(channel, onMessage)
  return () => {
    for (const channel of [LISTEN, REQUEST]) unsubscribe(channel, onMessage)
  }
}
