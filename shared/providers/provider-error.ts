import type { FailureMeaning } from '../breaker/breaker.ts'
import type { ProblemWords } from '../engine/problem.ts'
import type { Cost } from '../podcast/ports.ts'

/**
 * Every way a provider call can fail, as one taxonomy. `rate_limited`, `overloaded`, `network`, `timeout`: the provider
 * cannot be used just now. `at_capacity`: we already make as many calls at once as we may. `auth`, `billing`: it cannot
 * be used until an operator acts. `misconfigured`: it has no such model, voice or endpoint as we are set up to ask for, or
 * takes no such field: nobody's request is granted until an operator acts. `bad_response`: it answered something that
 * is no answer of its own, such as another server's page. `unusable`: the answer lacks what we asked for. The rest are about this one request and say nothing about the provider's health.
 */
export type ProviderErrorKind =
  | 'auth'
  | 'billing'
  | 'misconfigured'
  | 'rate_limited'
  | 'at_capacity'
  | 'overloaded'
  | 'network'
  | 'timeout'
  | 'bad_response'
  | 'unusable'
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
  /** What it charged all the same. */
  cost?: Cost
  /** The same request may be granted later, although nothing of ours changes; only of those that are refused. */
  canPass?: boolean
  /** Only requests that ask for the same are refused: others go on, and the breaker is not told. */
  sparesOthers?: boolean
  /** What to tell the person whose request it was, where that can be said better than for all of its kind. */
  words?: ProblemWords
  cause?: unknown
}

/** It is stored as what an episode waits for, and told: however much a provider says, this is enough. */
const MESSAGE_CHARS_MAX = 500

export class ProviderError extends Error {
  override readonly name = 'ProviderError'
  readonly provider: string
  readonly operation: string
  readonly kind: ProviderErrorKind
  readonly status: number | undefined
  readonly retryAfterMs: number | undefined
  readonly ambiguous: boolean
  readonly cost: Cost | undefined
  readonly canPass: boolean
  readonly sparesOthers: boolean
  readonly words: ProblemWords | undefined

  constructor(provider: string, operation: string, fields: ProviderErrorFields) {
    super(`${provider} ${operation}: ${fields.message.slice(0, MESSAGE_CHARS_MAX)}`, { cause: fields.cause })
    this.provider = provider
    this.operation = operation
    this.kind = fields.kind
    this.status = fields.status
    this.retryAfterMs = fields.retryAfterMs
    this.ambiguous = fields.ambiguous ?? false
    this.cost = fields.cost
    this.canPass = fields.canPass ?? fields.kind === 'misconfigured'
    this.sparesOthers = fields.sparesOthers ?? false
    this.words = fields.words
  }
}

/** Failures that pass by themselves or by an operator's hand: the episode waits for them. */
export function isUnavailability(kind: ProviderErrorKind): boolean {
  return ['auth', 'billing', 'rate_limited', 'at_capacity', 'overloaded', 'network', 'timeout'].includes(kind)
}

/** What a failed call says about the provider's health, to its breaker. */
export function meaningOf(error: unknown): FailureMeaning {
  if (!(error instanceof ProviderError) || error.sparesOthers) return 'ignored'
  switch (error.kind) {
    case 'auth':
    case 'billing':
    case 'misconfigured':
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
    // One person's words can lead to it: it must cost nobody else anything.
    case 'unusable':
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
