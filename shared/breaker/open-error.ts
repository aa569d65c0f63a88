import type { BreakerState, OpenReason } from './record.ts'

type Rejection = {
  breaker: string
  state: BreakerState
  /** `ramp`: closed again, and letting calls in step by step. */
  reason: OpenReason | 'ramp'
  retryAfterMs: number
}

/** A call was not made, because its breaker would not let it. Nothing was sent, nothing is charged. */
export class BreakerOpenError extends Error {
  override readonly name = 'BreakerOpenError'
  readonly breaker: string
  readonly state: BreakerState
  readonly reason: OpenReason | 'ramp'
  /** When it makes sense to ask again: the provider may be tried, or somebody is trying it just now. */
  readonly retryAfterMs: number

  private constructor({ breaker, state, reason, retryAfterMs }: Rejection) {
    super(`Circuit breaker '${breaker}' is OPEN${SUFFIXES[reason === 'ramp' ? reason : state]}`)
    this.breaker = breaker
    this.state = state
    this.reason = reason
    this.retryAfterMs = retryAfterMs
  }

  /** Rejections are many and cheap; where one was thrown tells nothing, and finding out is most of their cost. */
  static of(rejection: Rejection): BreakerOpenError {
    const limit = Error.stackTraceLimit
    Error.stackTraceLimit = 0
    try {
      return new BreakerOpenError(rejection)
    } finally {
      Error.stackTraceLimit = limit
    }
  }
}

const SUFFIXES = {
  open: '',
  half_open: ' (its recovery is being tested)',
  closed: '',
  ramp: ' (it has recovered and lets calls in step by step)',
} as const
