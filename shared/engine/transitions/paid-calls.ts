import { AMBIGUOUS_REPEATS_MAX, LOST_FOR_GOOD_MS, WRITE_OFFS_MAX } from '../limits.ts'
import type { CallEnd } from '../outcome.ts'
import { without } from '../workflow.ts'
import type { PaidCalls, Step } from '../workflow.ts'

/* Calls that may be charged are counted right before one is sent, and settled when it has ended. */

/** The calls of a step whose holder is about to make one more. */
export function countCall({ paid }: Step, token: string): PaidCalls {
  const isRepeat = paid?.open === true
  const counted = { calls: (paid?.calls ?? 0) + 1, repeats: (paid?.repeats ?? 0) + (isRepeat ? 1 : 0) }
  const before = paid && without(paid, 'by', 'repeatOf', 'lostUntilMs')
  const repeatOf = isRepeat && paid.by !== undefined ? { repeatOf: paid.by } : {}
  return { ...before, ...counted, open: true, isRepeat, by: token, ...repeatOf }
}

/** The step after the call that its holder has made has ended in this way. */
export function settleCall<S extends Pick<Step, 'paid'>>(step: S, call: CallEnd): S {
  const { paid } = step
  // A call that was counted is open until its end is known.
  if (paid?.open !== true || call === 'unknown') return step
  return { ...step, paid: call === 'unsent' ? uncountCall(paid) : { ...paid, open: call === 'ambiguous' } }
}

/** The call that was counted was never made: what became of the one before it is as open as it was. */
function uncountCall(paid: PaidCalls): PaidCalls {
  const { calls, repeats, isRepeat = false, repeatOf } = paid
  const before = { calls: calls - 1, repeats: repeats - (isRepeat ? 1 : 0), open: isRepeat, isRepeat: false }
  return { ...without(paid, 'by', 'repeatOf', 'sent'), ...before, ...(repeatOf !== undefined && { by: repeatOf }) }
}

/** Nobody asks any more what became of the last call. */
export function closeCall({ paid }: Step): Pick<Step, 'paid'> {
  return paid === undefined ? {} : { paid: { ...without(paid, 'by', 'lostUntilMs'), open: false } }
}

/** Nobody saw the end of the last call, and it has been repeated as often as it may be. */
export function isSpent({ paid }: Pick<Step, 'paid'>): boolean {
  return paid?.open === true && paid.repeats >= AMBIGUOUS_REPEATS_MAX
}

/**
 * How long to wait before a better result is asked for, where that would be after `pauseMs`: longer when all calls that
 * there may be were lost. Undefined: never.
 */
export function pauseBeforeNextCall(step: Pick<Step, 'paid'>, pauseMs: number): number | undefined {
  if (!isSpent(step)) return pauseMs
  return (step.paid?.writtenOff ?? 0) < WRITE_OFFS_MAX ? Math.max(pauseMs, LOST_FOR_GOOD_MS) : undefined
}

/** The step that waits until its calls, which were lost, count as ended. */
export function awaitLostCalls(step: Step, untilMs: number): Step {
  return step.paid === undefined ? step : { ...step, paid: { ...step.paid, lostUntilMs: untilMs } }
}

/** The calls of a step that is asked for once more: those that were lost long enough ago count as ended. */
export function writeOffCalls(step: Step): Pick<Step, 'paid'> {
  const { paid } = step
  if (paid === undefined || !isSpent(step)) return paid === undefined ? {} : { paid }
  return { paid: { ...paid, open: false, writtenOff: (paid.writtenOff ?? 0) + 1 } }
}
