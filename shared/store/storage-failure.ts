import type { FailureMeaning } from '../breaker/breaker.ts'
import { BreakerOpenError } from '../breaker/open-error.ts'
import { DomainError } from '../errors/domain-error.ts'
import { retryAfterMs } from '../resilience/retry-after.ts'
import type { SaidHeaders } from '../resilience/retry-after.ts'
import { DeadlineError } from '../resilience/deadline.ts'

/** Storage has answered a plain request with a status of 400 or above. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly code: number

  constructor(status: number) {
    super(`storage answered ${status}`)
    this.code = status
  }
}

/** The HTTP status with which a call of the storage client failed, if it got that far. */
export function statusOf(error: unknown): number | undefined {
  const code = Number(error instanceof Error ? (error as { code?: unknown }).code : undefined)
  // Errors of other kinds have codes of their own: a timeout of the platform has 23.
  return code >= 100 && code <= 599 ? code : undefined
}

/** Whether it was thrown on purpose, by us, and says all there is to say. */
function isOurs(error: unknown): boolean {
  return error instanceof DomainError || error instanceof BreakerOpenError
}

/** Whether storage itself could not do it, as opposed to being asked for what cannot be done. */
export function isFailureOfStorage(error: unknown): boolean {
  if (isOurs(error) || (error instanceof Error && error.name === 'AbortError')) return false
  const status = statusOf(error)
  return error instanceof DeadlineError || status === undefined || status >= 500 || status === 429 || status === 408
}

/** What a failed call says about Cloud Storage, to its breaker. */
export function failureOfStorage(error: unknown): FailureMeaning {
  if (!isFailureOfStorage(error)) return statusOf(error) === 401 ? { reason: 'auth' } : 'ignored'
  const status = statusOf(error)
  if (status !== 429 && status !== 503) return 'failure'
  const forMs = retryAfterMs(headersOf(error), Date.now)
  if (forMs !== undefined) return { reason: 'throttled', forMs }
  // One object written more than about once a second is 429, whatever the rest of storage does.
  return status === 429 ? 'ignored' : 'failure'
}

function headersOf(error: unknown): SaidHeaders {
  const headers: unknown = (error as { response?: { headers?: unknown } }).response?.headers
  if (headers instanceof Headers) return headers
  return {
    get(name) {
      const value = (headers as Record<string, unknown> | undefined)?.[name]
      return typeof value === 'string' ? value : null
    },
  }
}
