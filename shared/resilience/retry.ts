import { fullJitterMs } from './backoff.ts'
import type { BackoffPolicy } from './backoff.ts'
import { pause } from './deadline.ts'
import type { RetryBudget } from './retry-budget.ts'

/** How often, how soon and for how long one operation may be tried. */
export type RetryPolicy = {
  /** Requests in all. 1 for what is charged or creates something: another attempt looks first what became of it. */
  readonly attemptsMax: number
  readonly attemptTimeoutMs: number
  /** From the first attempt on, backoffs included. */
  readonly totalTimeoutMs: number
  readonly backoff: BackoffPolicy
}

/** Time as retries see it. */
type RetryClock = {
  readonly monotonicMs: () => number
  /** Waits; rejects with the signal's reason as soon as it aborts. */
  readonly pause: (delayMs: number, signal: AbortSignal) => Promise<void>
}

const SYSTEM_CLOCK: RetryClock = { monotonicMs: () => performance.now(), pause }

export type RetryContext = {
  readonly budget: RetryBudget
  /** Ends attempts and backoffs alike. */
  readonly signal: AbortSignal
  readonly random: () => number
  /**
   * Whether the same request again can succeed, soon. A wait that the other side asked for is not ours to sit out: its
   * breaker is shut for as long, and the queue comes back after it.
   */
  readonly mayRepeat: (error: unknown) => boolean
  /** This machine's, unless a test brings its own. */
  readonly clock?: RetryClock
}

/**
 * The only place where a request is repeated: the clients underneath have their own repeats off. What the last attempt
 * threw is thrown.
 * @param attempt is given the time it has, in ms
 */
export async function withRetries<T>(
  attempt: (timeoutMs: number) => Promise<T>,
  policy: RetryPolicy,
  { budget, signal, random, mayRepeat, clock = SYSTEM_CLOCK }: RetryContext,
): Promise<T> {
  const endsAtMs = clock.monotonicMs() + policy.totalTimeoutMs
  for (let failures = 0; ; failures++) {
    signal.throwIfAborted()
    if (failures === 0) budget.countRequest()
    // Whole milliseconds, as timers want them.
    const leftMs = Math.max(1, Math.ceil(endsAtMs - clock.monotonicMs()))
    try {
      return await attempt(Math.min(policy.attemptTimeoutMs, leftMs))
    } catch (error) {
      signal.throwIfAborted()
      const waitMs = fullJitterMs(policy.backoff, failures, random)
      const inTime = clock.monotonicMs() + waitMs < endsAtMs
      if (failures + 1 >= policy.attemptsMax || !inTime || !mayRepeat(error) || !budget.spend()) throw error
      await clock.pause(waitMs, signal)
    }
  }
}
