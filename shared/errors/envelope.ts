import { BreakerOpenError } from '../breaker/open-error.ts'
import { AppError } from './app-error.ts'

/** The body of every answer of 400 or above. */
export type ErrorEnvelope = {
  error: {
    code: string
    message: string
    technical_message: string
    retryable: boolean
    error_id: string
    request_id: string
    details?: Record<string, unknown>
  }
}

/** `Retry-After` of answers that must carry one and whose cause named no time of its own. */
const RETRY_AFTER_SECONDS_DEFAULT = 5

/** Whatever was thrown, as an AppError: what we did not throw on purpose is an internal_error that tells nothing. */
export function asAppError(thrown: unknown): AppError {
  try {
    if (thrown instanceof AppError) return thrown
    if (thrown instanceof BreakerOpenError) return answerOpenBreaker(thrown)
  } catch {
    // A proxy that throws when it is asked what it is.
  }
  return new AppError('internal_error', {
    technical: 'Unexpected error; see the log under this error_id',
    cause: thrown,
  })
}

function answerOpenBreaker({ message, retryAfterMs, breaker }: BreakerOpenError): AppError {
  return new AppError('service_unavailable', {
    technical: message,
    retryAfterSeconds: retryAfterMs / 1000,
    details: { breaker },
  })
}

export function errorEnvelope(error: AppError, ids: { errorId: string; requestId: string }): ErrorEnvelope {
  return {
    error: {
      code: error.code,
      message: error.message,
      technical_message: error.technical,
      retryable: error.retryable,
      error_id: ids.errorId,
      request_id: ids.requestId,
      ...(error.details && { details: error.details }),
    },
  }
}

/** Headers an error adds to its answer: `Retry-After` on every 429 and 503, and what the error brought itself. */
export function errorHeaders(error: AppError): Record<string, string> {
  const waits = error.status === 429 || error.status === 503
  const retryAfterSeconds = error.retryAfterSeconds ?? (waits ? RETRY_AFTER_SECONDS_DEFAULT : undefined)
  return {
    ...error.headers,
    ...(retryAfterSeconds !== undefined && { 'Retry-After': String(Math.ceil(retryAfterSeconds)) }),
  }
}
