import { nameAttempt } from '../history.ts'
import type { Pipeline } from '../definition.ts'
import type { CallEnd, Cost } from '../outcome.ts'
import { stepOf, without } from '../workflow.ts'
import type { PaidCalls, Workflow } from '../workflow.ts'
import type { Fence, Moved } from './moved.ts'
import { countCost, settleCall } from './paid-calls.ts'
import { addCost } from './settle.ts'
import { viewGeneration, mergeView } from './upgrade.ts'

export type LateEvent = {
  readonly fence: Fence
  readonly provider: string | undefined
  readonly call: CallEnd
  readonly cost: Cost | undefined
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
  // Where the step has begun anew its calls are others; what this one has cost is a cost of the workflow all the same.
  const isSame = view.generation === fence.generation
  const corrected = isSame && step.paid ? correct(step.paid, fence.token, { call, cost }) : step.paid
  const counted = cost === undefined ? undefined : countCost(corrected, nameAttempt(fence.token))
  const paid = counted ?? corrected
  if (paid === step.paid) return undefined
  const steps = { ...view.steps, [fence.step]: { ...step, ...(paid && { paid }) } }
  const charged = counted === undefined ? view : addCost(view, provider, cost)
  return { next: mergeView(workflow, { ...charged, steps, updatedAtMs: nowMs }), tasks: [] }
}

/** The calls of a step once it is known how one of an attempt that was lost has ended. */
function correct(paid: PaidCalls, token: string, { call, cost }: Pick<LateEvent, 'call' | 'cost'>): PaidCalls {
  const wasFree = call === 'unsent' || (call === 'ended' && cost === undefined)
  if (!wasFree) return paid
  // Nobody has repeated it yet, and nobody has to wonder.
  if (paid.by === token) return settleCall({ paid: without(paid, 'by') }, call).paid ?? paid
  if (paid.repeatOf !== token) return paid
  const calls = call === 'unsent' ? paid.calls - 1 : paid.calls
  return { ...without(paid, 'repeatOf'), calls, repeats: paid.repeats - 1, isRepeat: false }
}
