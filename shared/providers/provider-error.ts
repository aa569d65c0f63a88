import type { FailureMeaning } from '../breaker/breaker.ts'

/**
 * Every way a provider call can fail, as one taxonomy. `rate_limited`, `overloaded`, `network`, `timeout`: the provider
 * cannot be used just now. `at_capacity`: we already make as many calls at once as we may. `auth`, `billing`: it cannot
 * be used until an operator acts. `bad_response`: it answered something we cannot read. The rest are about this one
 * request and say nothing about the provider's health.
 */
export type ProviderErrorKind =
  | 'auth'
  | 'billing'
  | 'rate_limited'
  | 'at_capacity'
  | 'overloaded'
  | 'network'
  | 'timeout'
  | 'bad_response'
  | 'invalid_input'
  | 'content_blocked'
  | 'not_found'
  | 'conflict'

export type ProviderErrorFields = {
  kind: ProviderErrorKind
  /** What went wrong, in words without secrets; the provider's own, shortened, where it gave some. */
  message: string
  status?: number
  retryAfterMs?: number
  /** The request may have been carried out, and charged, although no result reached us. */
  ambiguous?: boolean
  cause?: unknown
}

export class ProviderError extends Error {
  override readonly name = 'ProviderError'
  readonly provider: string
  readonly operation: string
  readonly kind: ProviderErrorKind
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  readonly ambiguous: boolean

  constructor(provider: string, operation: string, fields: ProviderErrorFields) {
    super(`${provider} ${operation}: ${fields.message}`, { cause: fields.cause })
    this.provider = provider
    this.operation = operation
    this.kind = fields.kind
    this.status = fields.status
    this.retryAfterMs = fields.retryAfterMs
    this.ambiguous = fields.ambiguous ?? false
  }
}

/** Failures that pass by themselves or by an operator's hand: the episode waits for them. */
export function isUnavailability(kind: ProviderErrorKind): boolean {
  return ['auth', 'billing', 'rate_limited', 'at_capacity', 'overloaded', 'network', 'timeout'].includes(kind)
}

/** What a failed call says about the provider's health, to its breaker. */
export function meaningOf(error: unknown): FailureMeaning {
  if (!(error instanceof ProviderError)) return 'ignored'
  switch (error.kind) {
    case 'auth':
    case 'billing':
      return { reason: error.kind }
    case 'rate_limited':
      return error.retryAfterMs === undefined ? 'ignored' : { reason: 'throttled', forMs: error.retryAfterMs }
    case 'overloaded':
      return error.status === 503 && error.retryAfterMs !== undefined
        ? { reason: 'throttled', forMs: error.retryAfterMs }
        : 'failure'
    case 'network':
    case 'timeout':
    case 'bad_response':
      return 'failure'
    case 'at_capacity':
    case 'invalid_input':
    case 'content_blocked':
    case 'not_found':
    case 'conflict':
      return 'ignored'
  }
}

/** What a status means where the provider gives it no meaning of its own. */
export function kindOfStatus(status: number): ProviderErrorKind {
  if (status === 401 || status === 403) return 'auth'
  if (status === 402) return 'billing'
  if (status === 404 || status === 410) return 'not_found'
  if (status === 408) return 'timeout'
  if (status === 409) return 'conflict'
  if (status === 429) return 'rate_limited'
  return status >= 500 ? 'overloaded' : 'invalid_input'
}
