import type { IncomingMessage } from 'node:http'

import { HttpError } from './http-error.ts'
import type { EndpointRow } from './endpoint-row.ts'
import type { Wrapper } from './exchange.ts'

/** A function is one address and the methods of its row; everything else under its name is refused before anybody is asked who they are. */
export const routeCheck: Wrapper = async ({ row, request, arrival, path }, next) => {
  requireOneHost(request)
  if ((request.headers['transfer-encoding'] ?? CHUNKED).trim().toLowerCase() !== CHUNKED)
    throw new HttpError('validation_error', { technical: 'Transfer-Encoding can only be chunked' })
  // What a CONNECT names is no path.
  if (path !== '/' && request.method !== 'CONNECT')
    throw new HttpError('not_found', { technical: 'There is nothing under this path' })
  const { method } = request
  const reads = method === 'GET' || method === 'HEAD'
  if (!(reads ? row.method === 'GET' || row.alsoGet : method === row.method)) {
    const Allow = allowedMethods(row)
    throw new HttpError('method_not_allowed', {
      technical: `Use ${row.alsoGet ? 'GET or ' : ''}${row.method}`,
      headers: { Allow },
    })
  }
  if (arrival.expects === 'unknown')
    throw new HttpError('validation_error', { technical: 'Expect can only be 100-continue' })
  return next()
}

const CHUNKED = 'chunked'
/** A name or an address, and a port, as https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2 has them. */
const HOST = /^(?:\[[\w.:%-]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/

/** RFC 9112, 3.2: exactly one, and one that can be a host; two might be read by two parties in two ways. */
function requireOneHost({ rawHeaders, headers, httpVersion }: IncomingMessage): void {
  const hosts = rawHeaders.filter((name, index) => index % 2 === 0 && name.toLowerCase() === 'host').length
  const technical =
    (hosts === 0 && httpVersion === '1.1' && 'The Host header is missing') ||
    (hosts > 1 && 'There is more than one Host header') ||
    (!HOST.test(headers.host ?? '') && 'The Host header names no host')
  if (technical) throw new HttpError('validation_error', { technical })
}

/** As the `Allow` header lists them. */
export function allowedMethods({ method, alsoGet }: EndpointRow): string {
  if (alsoGet) return `GET, HEAD, ${method}, OPTIONS`
  return method === 'GET' ? 'GET, HEAD, OPTIONS' : `${method}, OPTIONS`
}
