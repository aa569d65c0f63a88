import { BreakerOpenError } from '../breaker/open-error.ts'
import { DomainError } from '../errors/domain-error.ts'
import type { DomainErrorKind } from '../errors/domain-error.ts'
import { ERROR_CODES } from './codes.ts'
import type { ErrorCode } from './codes.ts'

export type HttpErrorOptions = {
  /** For the person: what happened and what they can do. Defaults to the code's message. */
  message?: string
  /** For the developer. Never a secret, a token, a stack or a path. Defaults to the message. */
  technical?: string
  details?: Record<string, unknown>
  retryAfterSeconds?: number
  headers?: Record<string, string>
  cause?: unknown
}

/** The one error that answers are made of: a code of the table, with what this occasion adds to it. */
export class HttpError extends Error {
  override readonly name = 'HttpError'
  readonly code: ErrorCode
  readonly technical: string
  readonly details: Record<string, unknown> | undefined
  readonly retryAfterSeconds: number | undefined
  readonly headers: Record<string, string>

  constructor(code: ErrorCode, options: HttpErrorOptions = {}) {
    super(options.message ?? ERROR_CODES[code].message, { cause: options.cause })
    this.code = code
    this.technical = options.technical ?? this.message
    this.details = options.details
    this.retryAfterSeconds = options.retryAfterSeconds
    this.headers = options.headers ?? {}
  }

  get status(): number {
    return ERROR_CODES[this.code].status
  }

  get retryable(): boolean {
    return ERROR_CODES[this.code].retryable
  }
}

const CODE_OF: Record<DomainErrorKind, ErrorCode> = {
  invalid: 'validation_error',
  unauthenticated: 'unauthenticated',
  not_found: 'not_found',
  conflict: 'conflict',
  unsupported: 'unsupported_media_type',
  quota_exceeded: 'quota_exceeded',
  unavailable: 'service_unavailable',
  defect: 'internal_error',
}

/** Whatever was thrown, as an HttpError: what we did not throw on purpose is an internal_error that tells nothing. */
export function asHttpError(thrown: unknown): HttpError {
  try {
    if (thrown instanceof HttpError) return thrown
    if (thrown instanceof DomainError) return fromDomain(thrown)
    if (thrown instanceof BreakerOpenError) return fromOpenBreaker(thrown)
  } catch {
    // A proxy that throws when it is asked what it is.
  }
  return new HttpError('internal_error', {
    technical: 'Unexpected error; see the log under this error_id',
    cause: thrown,
  })
}

function fromDomain(error: DomainError): HttpError {
  const { kind, messageForPerson, technical, details, retryAfterMs, cause } = error
  // Whoever read a request's body failed because the edge had refused it; that refusal is the answer.
  if (cause instanceof HttpError) return cause
  return new HttpError(CODE_OF[kind], {
    technical,
    // The log shows where it began.
    cause: cause ?? error,
    ...(messageForPerson !== undefined && { message: messageForPerson }),
    ...(details && { details }),
    ...(retryAfterMs !== undefined && { retryAfterSeconds: retryAfterMs / 1000 }),
  })
}

function fromOpenBreaker(error: BreakerOpenError): HttpError {
  return new HttpError('service_unavailable', {
    technical: error.message,
    details: { breaker: error.breaker },
    retryAfterSeconds: error.retryAfterMs / 1000,
    cause: error,
  })
}
