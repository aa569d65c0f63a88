import { HttpError } from './http-error.ts'
import type { EndpointRow } from './endpoint-row.ts'
import type { Wrapper } from './exchange.ts'

/** A function is one address and the methods of its row; everything else under its name is refused before anybody is asked who they are. */
export const routeCheck: Wrapper = async ({ row, request, arrival, path }, next) => {
  if (request.headers.host === undefined && request.httpVersion === '1.1')
    throw new HttpError('validation_error', { technical: 'The Host header is missing' })
  if (path !== '/') throw new HttpError('not_found', { technical: 'There is nothing under this path' })
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

/** As the `Allow` header lists them. */
export function allowedMethods({ method, alsoGet }: EndpointRow): string {
  if (alsoGet) return `GET, HEAD, ${method}, OPTIONS`
  return method === 'GET' ? 'GET, HEAD, OPTIONS' : `${method}, OPTIONS`
}
