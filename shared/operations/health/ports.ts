import * as z from 'zod'

/* What health needs of the world; implemented in shared/store and shared/tasks. */

/** How one queue is doing. */
export type QueueStats = {
  /** Tasks in it, an estimate of the service's. */
  depth: number
  /** How long the task that is due first has been due, in ms; 0 when none is. */
  oldestDueMs: number
  /** Dispatched in the last minute. */
  dispatchedLastMinute: number
  /** Out at this moment. */
  dispatching: number
  /** What the service lets out per second now: less than configured while it throttles. */
  effectiveRate: number
  paused: boolean
}

/** @throws what the queue service throws */
export type ReadQueueStats = (queue: string, timeoutMs: number, nowMs: number) => Promise<QueueStats>

/** What the latest sweep said of itself. */
export const LatestSweep = z.object({
  endedAtMs: z.number(),
  tookMs: z.number(),
  checked: z.number(),
  stuck: z.number(),
  markedError: z.number(),
  failed: z.number(),
  more: z.boolean(),
})
export type LatestSweep = z.infer<typeof LatestSweep>
