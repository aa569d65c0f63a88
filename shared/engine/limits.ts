/** Share of a lease after which it is renewed: two renewals may fail before it runs out. */
export const HEARTBEAT_SHARE = 0.3
/** Share of a lease in which its holder sends requests; the rest is for what it does not know of the store's time. */
export const ENTITLED_SHARE = 0.75
/**
 * A worker that shows no progress for so long, beyond what it has said it may be quiet for, hangs: it renews its lease no
 * more. Longer than anything lasts that need not say so: a call of storage or of the store, a file being measured.
 */
export const QUIET_MS_MAX = 90_000
/** Attempts that may end in a crash or an unexpected failure before the step gives up. Waiting is no attempt. */
export const ATTEMPTS_MAX = 5
/**
 * How many leases the next attempt waits, by how many were lost in a row: whatever kills workers for five minutes leaves
 * the last one.
 */
export const LOST_PAUSES = [0, 0, 0, 3, 12] as const
/** A paid call whose end nobody saw may be repeated this often. */
export const AMBIGUOUS_REPEATS_MAX = 1
/** When call and repeat were both lost, and so long has passed, nothing comes of them any more: one more may be made. */
export const LOST_FOR_GOOD_MS = 24 * 3_600_000
/** That may be done so often. */
export const WRITE_OFFS_MAX = 1

/** What of the engine's behaviour is configured; all in ms. */
export type EngineSettings = {
  /** A worker that was not heard of for this long has lost its step. */
  readonly stepLeaseMs: number
  /** A step is stalled so long after its lease ended, or after it should have been looked at. */
  readonly stalledStepMs: number
  /** A workflow is stuck after so long without progress. */
  readonly stuckAfterMs: number
  /** A step waits so long for a service that cannot be used. */
  readonly deadlineMs: number
  /** What a workflow does not refer to is removed at this age. */
  readonly orphanAgeMs: number
  /** A step whose provider cannot be used goes on without it after so long. */
  readonly fallbackAfterMs: number
  /** How soon a fallback's result is asked for again at its provider, at first. */
  readonly upgradeAfterMs: number
}
