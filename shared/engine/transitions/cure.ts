import type { Pipeline } from '../definition.ts'
import type { Problem } from '../problem.ts'
import { stepOf } from '../workflow.ts'
import type { Step, Workflow } from '../workflow.ts'
import { tellAllLost } from './charges.ts'
import { countLoss } from './lost-attempts.ts'
import { dispatch, fail, release } from './moved.ts'
import type { Moved } from './moved.ts'

/* What the sweep does about a workflow that nobody looks after. */

/** Gives a stalled step to another attempt; whoever held it is fenced out. */
export function requeue<W extends Workflow>(
  _pipeline: Pipeline,
  workflow: W,
  { step: name, leaseMs }: { readonly step: string; readonly leaseMs: number },
  nowMs: number,
): Moved<W> {
  const step = stepOf(workflow, name)
  // That its holder was alive until then goes with the lease, and must not be forgotten with it.
  const aliveAtMs = step.lease === undefined ? 0 : step.lease.untilMs - leaseMs
  const progressAtMs = Math.max(step.progressAtMs ?? 0, aliveAtMs)
  const since = step.requeued?.sinceMs ?? step.lease?.untilMs ?? step.nextCheckAtMs ?? workflow.updatedAtMs
  const requeued = { count: (step.requeued?.count ?? 0) + 1, sinceMs: since, atMs: nowMs }
  const freed = release(step, step.state === 'running' ? 'pending' : step.state)
  const free: Step = { ...freed, ...countLoss(step), requeued, ...(progressAtMs > 0 && { progressAtMs }) }
  return dispatch(workflow, name, free, nowMs)
}

/** Nothing has gone forward for too long. */
export function declareStuck<W extends Workflow>(
  _pipeline: Pipeline,
  workflow: W,
  { step, problem }: { readonly step: string; readonly problem: Problem },
  nowMs: number,
): Moved<W> {
  return fail(tellAllLost(workflow), step, problem, nowMs)
}
