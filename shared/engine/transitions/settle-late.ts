import { nameAttempt } from '../history.ts'
import type { Pipeline } from '../definition.ts'
import type { AttemptCost, CallEnd } from '../outcome.ts'
import { stepOf, without } from '../workflow.ts'
import type { PaidCalls, Workflow } from '../workflow.ts'
import { settleCharge, wasFree } from './charges.ts'
import type { Fence, Moved } from './moved.ts'
import { settleCall } from './paid-calls.ts'
import { viewGeneration, mergeView } from './upgrade.ts'

const NO_CALLS: PaidCalls = { calls: 0, repeats: 0, open: false }

export type LateEvent = {
  readonly fence: Fence
  readonly provider: string | undefined
  readonly call: CallEnd
  readonly cost: AttemptCost
}

/**
 * An attempt that has lost its step knows what became of its paid call: that it was never sent, or what it has cost. What
 * it has made is of no use, but what was told of its call meanwhile is put right. Undefined: nothing is to be put right.
 */
export function settleLate<W extends Workflow>(
  _pipeline: Pipeline,
  workflow: W,
  { fence, provider, call, cost }: LateEvent,
  nowMs: number,
): Moved<W> | undefined {
  if (workflow.deletedAtMs !== undefined) return undefined
  const view = viewGeneration(workflow, fence.generation)
  const step = stepOf(view, fence.step)
  const attempt = nameAttempt(fence.token)
  const before = { workflow: view, step: { ...step, paid: step.paid ?? NO_CALLS } }
  const told = settleCharge(before, { attempt, provider, call, cost })
  // Where the step has begun anew its calls are others; what this one has cost is a cost of the workflow all the same.
  const isSame = view.generation === fence.generation
  const { paid = NO_CALLS } = told.step
  const corrected = isSame && wasFree({ call, cost }) ? uncount(paid, fence.token, call) : paid
  if (corrected === before.step.paid) return undefined
  const steps = { ...view.steps, [fence.step]: { ...step, paid: corrected } }
  return { next: mergeView(workflow, { ...told.workflow, steps, updatedAtMs: nowMs }), tasks: [] }
}

/** The calls of a step once it is known that the one of an attempt that was lost was free. */
function uncount(paid: PaidCalls, token: string, call: CallEnd): PaidCalls {
  // Nobody has repeated it yet, and nobody has to wonder.
  if (paid.by === token) return settleCall({ paid: call === 'unsent' ? paid : without(paid, 'by') }, call).paid ?? paid
  if (paid.repeatOf !== token) return paid
  const calls = call === 'unsent' ? paid.calls - 1 : paid.calls
  return { ...without(paid, 'repeatOf'), calls, repeats: paid.repeats - 1, isRepeat: false }
}
