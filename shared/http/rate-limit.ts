import { HttpError } from './http-error.ts'
import { limitsOf } from '../quotas/plans.ts'
import type { RateDecision } from '../quotas/rate-limiter.ts'
import type { Exchange, Wrapper } from './exchange.ts'

const WINDOW_SECONDS = 60

/**
 * Calls per person and minute, whatever function they are to. Every answer says what is left, by the fields of
 * draft-ietf-httpapi-ratelimit-headers-10. Checked before any of the body is read.
 */
export const rateLimit: Wrapper = async (exchange, next) => {
  const { identity, dependencies } = exchange
  if (identity.kind !== 'user') return next()
  const { requestsPerMinute } = limitsOf(identity.plan, dependencies.config.defaultPlan)
  if (requestsPerMinute === Infinity) return next()
  const decision = await dependencies.rates.take(identity.userId, requestsPerMinute)
  tell(exchange, decision, requestsPerMinute)
  if (!decision.allowed) throw describeRefusal(decision, requestsPerMinute)
  return next()
}

function tell({ answerHeaders }: Exchange, { remaining, resetSeconds }: RateDecision, requestsPerMinute: number): void {
  answerHeaders['RateLimit-Policy'] = `"requests";q=${requestsPerMinute};w=${WINDOW_SECONDS}`
  answerHeaders['RateLimit'] = `"requests";r=${remaining};t=${resetSeconds}`
}

function describeRefusal({ retryAfterSeconds }: RateDecision, requestsPerMinute: number): HttpError {
  const seconds = retryAfterSeconds === 1 ? '1 second' : `${retryAfterSeconds} seconds`
  return new HttpError('rate_limit_exceeded', {
    message: `That was too much at once. Please wait ${seconds}.`,
    technical: `More than ${requestsPerMinute} requests per minute`,
    details: { limit: requestsPerMinute, windowSeconds: WINDOW_SECONDS, retryAfterSeconds },
    retryAfterSeconds,
  })
}
