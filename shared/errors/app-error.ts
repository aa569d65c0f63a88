import { ERROR_CODES } from './codes.ts'
import type { ErrorCode } from './codes.ts'

export type AppErrorOptions = {
  /** For the person: what happened and what they can do. Defaults to the code's message. */
  message?: string
  /** For the developer. Never a secret, a token, a stack or a path. */
  technical?: string
  details?: Record<string, unknown>
  retryAfterSeconds?: number
  headers?: Record<string, string>
  cause?: unknown
}

/** The one error our code throws on purpose: a code of the table, with what this occasion adds to it. */
export class AppError extends Error {
  override readonly name: string = 'AppError'
  readonly code: ErrorCode
  readonly technical: string
  readonly details: Record<string, unknown> | undefined
  readonly retryAfterSeconds: number | undefined
  readonly headers: Record<string, string>

  constructor(code: ErrorCode, options: AppErrorOptions = {}) {
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
