import type { Wrapper } from './exchange.ts'
import { logRequest } from './request-line.ts'
import { timingHeaders } from './timing-headers.ts'

/** X-Request-Id, X-Response-Time and Server-Timing on every answer, meaning the time to its headers; one log line each. */
export const timing: Wrapper = async (exchange, next) => {
  const answer = await next()
  const totalMs = performance.now() - exchange.arrival.atMs
  const partsMs = exchange.scope.parts.durationsMs()
  logRequest(exchange, answer, totalMs, partsMs)
  return { ...answer, headers: { ...answer.headers, ...timingHeaders(exchange.requestId, totalMs, partsMs) } }
}
