import type { Answer, Exchange, Wrapper } from './exchange.ts'
import { allowedMethods } from './route.ts'

const PREFLIGHT_SECONDS = 7200
const REQUEST_HEADERS = 'Authorization, Content-Type, Content-Encoding, Idempotency-Key, X-Request-Id, traceparent'
const ANSWER_HEADERS =
  'X-Request-Id, X-Response-Time, Server-Timing, Retry-After, Idempotency-Replayed, RateLimit, RateLimit-Policy'

/**
 * Lets the pages of the configured origins call what people call, and read every answer of it, errors included. Tokens
 * travel in a header that a page sets itself, so credentials of the browser's are never allowed. OPTIONS is answered
 * here: a preflight carries no token. Source: https://fetch.spec.whatwg.org/#http-cors-protocol.
 */
export const cors: Wrapper = async (exchange, next) => {
  const headers = originHeaders(exchange)
  if (exchange.request.method === 'OPTIONS') return preflight(exchange, headers)
  const answer = await next()
  return { ...answer, headers: { ...answer.headers, ...headers } }
}

function preflight({ request, row }: Exchange, headers: Record<string, string>): Answer {
  const methods = allowedMethods(row)
  const asks = request.headers['access-control-request-method'] !== undefined
  const allowed = headers['Access-Control-Allow-Origin'] !== undefined
  return {
    status: 204,
    headers: {
      Allow: methods,
      ...headers,
      ...(asks &&
        allowed && {
          'Access-Control-Allow-Methods': methods,
          'Access-Control-Allow-Headers': REQUEST_HEADERS,
          'Access-Control-Max-Age': String(PREFLIGHT_SECONDS),
        }),
    },
  }
}

function originHeaders({ request, row, dependencies }: Exchange): Record<string, string> {
  const { corsAllowedOrigins } = dependencies.config
  if (corsAllowedOrigins.length === 0 || (row.caller !== 'user' && row.caller !== 'anyone')) return {}
  const { origin } = request.headers
  // The answer depends on the origin even when it names none: a cache must keep them apart.
  if (origin === undefined || !corsAllowedOrigins.includes(origin)) return { Vary: 'Origin' }
  return {
    Vary: 'Origin',
    'Access-Control-Allow-Origin': origin,
    'Access-Control-Expose-Headers': ANSWER_HEADERS,
    'Timing-Allow-Origin': origin,
  }
}
