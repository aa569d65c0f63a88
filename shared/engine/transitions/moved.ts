import type { Pipeline } from '../definition.ts'
import type { Problem } from '../problem.ts'
import type { StepTask } from '../task.ts'
import { stepOf, without } from '../workflow.ts'
import type { Step, Workflow } from '../workflow.ts'

/** A workflow after a transition, and the tasks that must be enqueued once it is stored. */
export type Moved<W extends Workflow> = { next: W; tasks: StepTask[] }

export const PENDING: Step = { state: 'pending', attempt: 0, dispatch: 0 }

/** The steps of a workflow that has not been started. */
export function freshSteps(pipeline: Pipeline): Record<string, Step> {
  return Object.fromEntries(pipeline.map(({ name }) => [name, PENDING]))
}

/** What there is without what is to be done again. */
export function resultsWithout<Results extends Workflow['results']>(
  results: Results,
  again: ReadonlySet<string>,
): Results {
  return Object.fromEntries(Object.entries(results).filter(([name]) => !again.has(name))) as Results
}

export function withStep<W extends Workflow>(workflow: W, name: string, step: Step, nowMs: number): W {
  return { ...workflow, steps: { ...workflow.steps, [name]: step }, updatedAtMs: nowMs }
}

/** Ends a step without a result, and with it the workflow while that is being processed. */
export function fail<W extends Workflow>(workflow: W, name: string, problem: Problem, nowMs: number): Moved<W> {
  const failed: Step = { ...release(stepOf(workflow, name), 'error'), finishedAtMs: nowMs, error: problem }
  const next = withStep(workflow, name, failed, nowMs)
  return { next: next.status === 'processing' ? { ...next, status: 'error', error: problem } : next, tasks: [] }
}

/** Makes a task for every step that has become ready, and passes over those that were not asked for. */
export function startReady<W extends Workflow>(pipeline: Pipeline, workflow: W, nowMs: number): Moved<W> {
  let moved: Moved<W> = { next: workflow, tasks: [] }
  for (const spec of pipeline) {
    const { name, after } = spec
    const step = stepOf(moved.next, name)
    const { next } = moved
    const ready =
      step.state === 'pending' && step.dispatch === 0 && after.every((before) => isOver(stepOf(next, before.name)))
    if (!ready) continue
    if (spec.skips?.(next) === true) {
      moved = { ...moved, next: withStep(next, name, { ...step, state: 'skipped' }, nowMs) }
      continue
    }
    const openUntilMs = step.job?.openUntilMs ?? 0
    const dispatched = dispatch(next, name, step, nowMs, openUntilMs > nowMs ? openUntilMs : undefined)
    moved = { next: dispatched.next, tasks: [...moved.tasks, ...dispatched.tasks] }
  }
  return moved
}

/** Makes a task for a step. Each has a number of its own, so that its name never meets one that is still reserved. */
export function dispatch<W extends Workflow>(
  workflow: W,
  name: string,
  step: Step,
  nowMs: number,
  notBeforeMs?: number,
): Moved<W> {
  const number = stepOf(workflow, name).dispatch + 1
  const task = {
    step: name,
    generation: workflow.generation,
    dispatch: number,
    ...(notBeforeMs !== undefined && { notBeforeMs }),
  }
  const waiting: Step = { ...step, dispatch: number, nextCheckAtMs: notBeforeMs ?? nowMs }
  return { next: withStep(workflow, name, waiting, nowMs), tasks: [task] }
}

/** The step without what only its holder has; `state` undefined keeps its state. */
export function release(step: Step, state: Step['state'] | undefined): Step {
  const free = without(step, 'lease', 'nextCheckAtMs', 'activity')
  return { ...free, ...(state && { state }) }
}

/**
 * The job of a step that is taken from its holder. Until the lease would have ended the holder may still make the job
 * unseen: whoever looks for it earlier could miss it, and make another.
 */
export function leaveJobOpen({ job, lease }: Step, nowMs: number): Pick<Step, 'job'> {
  if (job === undefined) return {}
  const open = job.providerJobId === undefined && lease !== undefined && lease.untilMs > nowMs
  return { job: open ? { ...job, openUntilMs: lease.untilMs } : job }
}

/** Tasks of this generation that somebody must still carry out; their names make duplicates collapse. */
export function outstandingTasks(workflow: Workflow, generation: number): StepTask[] {
  if (workflow.status !== 'processing' || workflow.generation !== generation || workflow.deletedAtMs !== undefined)
    return []
  return Object.entries(workflow.steps).flatMap(([name, step]) => {
    const { state, nextCheckAtMs } = step
    if (step.dispatch === 0 || (state !== 'pending' && state !== 'waiting')) return []
    const due = nextCheckAtMs === undefined ? {} : { notBeforeMs: nextCheckAtMs }
    return [{ step: name, generation, dispatch: step.dispatch, ...due }]
  })
}

export function isOver({ state }: Step): boolean {
  return state === 'done' || state === 'skipped'
}

export function isOpen({ state }: Step): boolean {
  return state === 'pending' || state === 'running' || state === 'waiting'
}

/** What names one attempt of a step; a write that carries an older one changes nothing. */
export type Fence = { readonly generation: number; readonly step: string; readonly token: string }

/** The step as its holder may change it, or undefined when it is not the holder's any more. */
export function heldStep(workflow: Workflow, fence: Fence): Step | undefined {
  const step = stepOf(workflow, fence.step)
  const mine = workflow.generation === fence.generation && step.lease?.token === fence.token
  return mine && workflow.deletedAtMs === undefined ? step : undefined
}
