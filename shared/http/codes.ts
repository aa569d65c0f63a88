import { UNAVAILABLE_MESSAGE } from '../errors/unavailable.ts'

/**
 * Every error code an answer of ours can carry. `retryable` is true exactly when sending the same request again,
 * with the same Idempotency-Key, is safe and can succeed; `remedy` is what helps otherwise, or besides. README's table
 * of errors is generated from here.
 */
export const ERROR_CODES = {
  validation_error: {
    status: 400,
    retryable: false,
    message: 'Something in this request is not right. Please check the details and send it again.',
    remedy: 'Correct what `details.issues` or `technical_message` names',
  },
  unauthenticated: {
    status: 401,
    retryable: false,
    message: 'Please sign in again.',
    remedy: 'Send a fresh ID token as `Authorization: Bearer`',
  },
  forbidden: {
    status: 403,
    retryable: false,
    message: 'This account may not do that.',
    remedy: 'Use an account of the kind the function is for',
  },
  not_found: {
    status: 404,
    retryable: false,
    message: 'We could not find what you asked for.',
    remedy: 'Check the address and the id; what is not yours looks like this too',
  },
  method_not_allowed: {
    status: 405,
    retryable: false,
    message: 'This address does not take that kind of request.',
    remedy: 'Use a method that `Allow` lists',
  },
  conflict: {
    status: 409,
    retryable: false,
    message: 'That is not possible in the current state.',
    remedy: 'Look at the episode; `details.status` says where it is',
  },
  request_in_progress: {
    status: 409,
    retryable: true,
    message: 'This is being worked on already. Please ask again in a moment.',
    remedy: 'Send it again with the same Idempotency-Key to hear how it ended',
  },
  request_too_large: {
    status: 413,
    retryable: false,
    message: 'This is larger than we accept here.',
    remedy: 'Send less than `details.limitBytes`, or use the function that `details.use` names',
  },
  unsupported_media_type: {
    status: 415,
    retryable: false,
    message: 'This kind of content is not accepted here.',
    remedy: 'Send the type, charset or encoding that `technical_message` names',
  },
  idempotency_mismatch: {
    status: 422,
    retryable: false,
    message: 'This was sent before with different content.',
    remedy: 'Use a new Idempotency-Key for a new request',
  },
  rate_limit_exceeded: {
    status: 429,
    retryable: true,
    message: 'That was too much at once. Please wait a moment.',
    remedy: 'Wait for `Retry-After`',
  },
  quota_exceeded: {
    status: 429,
    retryable: true,
    message: 'The limit of this plan is reached.',
    remedy: 'Wait for `Retry-After`, or free some of what `details` lists',
  },
  internal_error: {
    status: 500,
    retryable: true,
    message: 'Something went wrong on our side. Please try again shortly.',
    remedy: 'Send it again with the same Idempotency-Key; if it stays, report `error_id`',
  },
  service_unavailable: {
    status: 503,
    retryable: true,
    message: UNAVAILABLE_MESSAGE,
    remedy: 'Wait for `Retry-After`',
  },
  timeout: {
    status: 504,
    retryable: true,
    message: 'This took longer than it may. Please try again shortly.',
    remedy: 'Send it again with the same Idempotency-Key',
  },
} as const satisfies Record<string, { status: number; retryable: boolean; message: string; remedy: string }>

export type ErrorCode = keyof typeof ERROR_CODES
