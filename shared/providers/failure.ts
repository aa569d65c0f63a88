import { BreakerOpenError } from '../breaker/open-error.ts'
import type { Failure } from '../engine/failure.ts'
import type { ProblemWords } from '../engine/problem.ts'
import { CONTENT_DECLINED, NOT_ACCEPTED, NOT_SET_UP } from '../podcast/problems.ts'
import { isUnavailability, ProviderError } from './provider-error.ts'
import type { ProviderErrorKind } from './provider-error.ts'
import { PROVIDER_BREAKERS } from './providers.ts'

/** What a failed call means to the step that made it; undefined for an error that no call has thrown. */
export function failureOfCall(error: unknown): Failure | undefined {
  if (error instanceof BreakerOpenError) {
    const { breaker, reason, retryAfterMs, message } = error
    if (reason === 'misconfigured')
      return { kind: 'refused', ambiguous: false, words: NOT_SET_UP, canPass: true, cost: undefined }
    return {
      kind: 'away',
      service: PROVIDER_BREAKERS[breaker] ?? breaker,
      sent: false,
      ambiguous: false,
      retryAfterMs,
      technical: message,
    }
  }
  if (!(error instanceof ProviderError)) return undefined
  const { kind, provider, ambiguous, retryAfterMs = 0, message } = error
  if (isUnavailability(kind))
    return { kind: 'away', service: provider, sent: true, ambiguous, retryAfterMs, technical: message }
  const { cost, canPass, words = WORDS[kind] ?? NOT_ACCEPTED } = error
  if (kind === 'bad_response' || kind === 'unusable')
    return { kind: 'unreadable', service: provider, technical: message, cost }
  return { kind: 'refused', ambiguous, words: { ...words, technical_message: message }, canPass, cost }
}

const WORDS: { readonly [Kind in ProviderErrorKind]?: ProblemWords } = {
  content_blocked: CONTENT_DECLINED,
  misconfigured: NOT_SET_UP,
}
