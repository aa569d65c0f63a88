import { BreakerOpenError } from '../breaker/open-error.ts'
import type { Failure } from '../engine/failure.ts'
import { CONTENT_DECLINED, NOT_ACCEPTED } from '../podcast/problems.ts'
import { isUnavailability, ProviderError } from './provider-error.ts'

/** What a failed call means to the step that made it; undefined for an error that no call has thrown. */
export function failureOfCall(error: unknown): Failure | undefined {
  if (error instanceof BreakerOpenError) {
    const { breaker, retryAfterMs, message } = error
    return { kind: 'away', service: breaker, sent: false, ambiguous: false, retryAfterMs, technical: message }
  }
  if (!(error instanceof ProviderError)) return undefined
  const { kind, provider, ambiguous, retryAfterMs = 0, message } = error
  if (isUnavailability(kind))
    return { kind: 'away', service: provider, sent: true, ambiguous, retryAfterMs, technical: message }
  if (kind === 'bad_response') return { kind: 'unexpected', ambiguous }
  return { kind: 'refused', ambiguous, words: kind === 'content_blocked' ? CONTENT_DECLINED : NOT_ACCEPTED }
}
