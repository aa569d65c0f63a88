/**
 * Every error code an answer of ours can carry. `retryable` is true exactly when sending the same request again,
 * with the same Idempotency-Key, is safe and can succeed. README's table of errors is generated from here.
 */
export const ERROR_CODES = {
  validation_error: {
    status: 400,
    retryable: false,
    message: 'Something in this request is not right. Please check the details and send it again.',
  },
  unauthenticated: { status: 401, retryable: false, message: 'Please sign in again.' },
  forbidden: { status: 403, retryable: false, message: 'This account may not do that.' },
  not_found: { status: 404, retryable: false, message: 'We could not find what you asked for.' },
  method_not_allowed: { status: 405, retryable: false, message: 'This address does not take that kind of request.' },
  conflict: { status: 409, retryable: false, message: 'That is not possible in the current state.' },
  request_too_large: { status: 413, retryable: false, message: 'This is larger than we accept here.' },
  unsupported_media_type: { status: 415, retryable: false, message: 'This kind of content is not accepted here.' },
  internal_error: {
    status: 500,
    retryable: true,
    message: 'Something went wrong on our side. Please try again shortly.',
  },
  service_unavailable: {
    status: 503,
    retryable: true,
    message: 'A service we depend on is temporarily unavailable. Please try again shortly.',
  },
  timeout: { status: 504, retryable: true, message: 'This took longer than it may. Please try again shortly.' },
} as const satisfies Record<string, { status: number; retryable: boolean; message: string }>

export type ErrorCode = keyof typeof ERROR_CODES
