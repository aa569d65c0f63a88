import { LOST_PAUSES } from '../limits.ts'
import type { Step } from '../workflow.ts'

/* An attempt is lost when its lease has ended and it was not heard of: its worker was killed, or froze. */

/** The attempts that were lost in a row, once its holder's is. */
export function countLoss({ lostInARow = 0, state, lease }: Step): Pick<Step, 'lostInARow'> {
  const losses = lostInARow + (state === 'running' && lease !== undefined ? 1 : 0)
  return losses === 0 ? {} : { lostInARow: losses }
}

/**
 * Until when the next attempt waits: for the end of the lease, and longer the more were lost before. What kills workers
 * passes; and work that kills them itself does so ever more seldom, and takes others' along that much less.
 */
export function heldUntilMs(step: Step, leaseMs: number): number {
  const { lease, job } = step
  const { lostInARow = 0 } = countLoss(step)
  const pause = LOST_PAUSES[Math.min(lostInARow, LOST_PAUSES.length - 1)] ?? 0
  return Math.max(lease === undefined ? 0 : lease.untilMs + pause * leaseMs, job?.openUntilMs ?? 0)
}
