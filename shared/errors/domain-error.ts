/** What kind of failure it is, without saying how it reaches anybody: the edge turns each kind into a code of its table. */
export type DomainErrorKind =
  'invalid' | 'unauthenticated' | 'not_found' | 'conflict' | 'unsupported' | 'quota_exceeded' | 'unavailable' | 'defect'

export type DomainErrorFields = {
  /** For the person: what happened and what they can do. Without it the edge says what it says of every such error. */
  message?: string
  /** For the developer. Never a secret, a token, a stack or a path. */
  technical: string
  details?: Record<string, unknown>
  /** How long it makes sense to wait before asking again. */
  retryAfterMs?: number
  cause?: unknown
}

/**
 * What our code throws on purpose, below the edge. Each layer has subclasses of its own, one per thing that can go
 * wrong.
 */
export abstract class DomainError extends Error {
  abstract readonly kind: DomainErrorKind
  readonly messageForPerson: string | undefined
  readonly technical: string
  readonly details: Record<string, unknown> | undefined
  readonly retryAfterMs: number | undefined

  constructor({ message, technical, details, retryAfterMs, cause }: DomainErrorFields) {
    super(message ?? technical, { cause })
    this.messageForPerson = message
    this.technical = technical
    this.details = details
    this.retryAfterMs = retryAfterMs
  }
}
