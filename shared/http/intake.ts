import { subscribe } from 'node:diagnostics_channel'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'

type DeclaredBody = { contentLength: string | undefined; transferEncoding: string | undefined }

const declared = new WeakMap<IncomingMessage, DeclaredBody>()
let subscribed = false

/**
 * Keeps the framework's body parsers, which buffer and inflate up to 1 GiB before a handler runs, away from every
 * request: just before they look, the two headers that announce a body are taken aside, so that they see none and the
 * bytes stay in the stream for our own bounded readers. Called at module load, before the server exists.
 */
export function takeBodiesFromFramework(): void {
  if (subscribed) return
  subscribed = true
  subscribe('http.server.request.start', (message) => {
    const { request } = message as { request: IncomingMessage }
    declared.set(request, setAside(request.headers))
  })
}

/** What the client declared about its body. Undefined when the framework's parsers were not kept away. */
export function declaredBody(request: IncomingMessage): DeclaredBody | undefined {
  return declared.get(request)
}

function setAside(headers: IncomingHttpHeaders): DeclaredBody {
  const kept = { contentLength: headers['content-length'], transferEncoding: headers['transfer-encoding'] }
  delete headers['content-length']
  delete headers['transfer-encoding']
  return kept
}
