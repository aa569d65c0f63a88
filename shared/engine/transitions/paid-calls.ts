import type { CallEnd } from '../outcome.ts'
import type { PaidCalls, Step } from '../workflow.ts'

/* Calls that are charged are counted when a step is claimed, before one is made, and settled when it has ended. */

/** The calls of a step that is about to make one more. */
export function countCall({ paid }: Step): PaidCalls {
  const isRepeat = paid?.open === true
  return { calls: (paid?.calls ?? 0) + 1, repeats: (paid?.repeats ?? 0) + (isRepeat ? 1 : 0), open: true, isRepeat }
}

/** The step after the call that claiming it counted has ended in this way. */
export function settleCall(step: Step, call: CallEnd): Step {
  const { paid } = step
  // A call that was counted is open until its end is known.
  if (paid?.open !== true || call === 'unknown') return step
  return { ...step, paid: call === 'unsent' ? uncountCall(paid) : { ...paid, open: call === 'ambiguous' } }
}

/** The call that was counted was never made: what became of the one before it is as open as it was. */
function uncountCall({ calls, repeats, isRepeat = false }: PaidCalls): PaidCalls {
  return { calls: calls - 1, repeats: repeats - (isRepeat ? 1 : 0), open: isRepeat, isRepeat: false }
}

/** Nobody asks any more what became of the last call. */
export function closeCall({ paid }: Step): Pick<Step, 'paid'> {
  return paid === undefined ? {} : { paid: { ...paid, open: false } }
}
