import { followersOf, specOf, redoSetOf } from '../definition.ts'
import type { Pipeline, StepSpec } from '../definition.ts'
import { stepOf, without, withoutFields } from '../workflow.ts'
import type { Step, Workflow } from '../workflow.ts'
import { tellAllLost } from './charges.ts'
import { dispatch, isOpen, leaveJobOpen, PENDING, release, resultsWithout, startReady, withStep } from './moved.ts'
import type { Moved } from './moved.ts'
import { closeCall } from './paid-calls.ts'
import { abandonUpgrade } from './upgrade.ts'

/* What an owner does to a workflow. */

const NOTHING: ReadonlySet<string> = new Set()

/**
 * `from`: a step that is to be done anew, with all that wait for it; one that was never done is begun in its turn.
 * `changed`: steps whose result its owner wants otherwise now; they are done again with what builds on them, and what
 * else is done is kept.
 */
export type StartEvent = { readonly from?: string | undefined; readonly changed?: Iterable<string> | undefined }

/** Starts the pipeline, or starts it again after an error, a cancel or its end; steps that are done are kept. */
export function start<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  { from, changed = NOTHING }: StartEvent,
  nowMs: number,
): Moved<W> {
  const again = new Set([...changed].flatMap((name) => [...redoSetOf(pipeline, name)]))
  if (from === undefined) return startAgain(pipeline, workflow, again, nowMs)
  const moved = startAgain(pipeline, workflow, again.union(followersOf(pipeline, from)), nowMs)
  return { ...moved, next: withStep(moved.next, from, { ...stepOf(moved.next, from), anew: true }, nowMs) }
}

/**
 * The owner has brought what a step was to make: that step and what builds on it is done again from there, wherever the
 * workflow stands. A job that is still out at a provider stays known, so that deleting the workflow reaches it.
 */
export function bring<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  { step: name }: { readonly step: string },
  nowMs: number,
): Moved<W> {
  if (workflow.status === 'draft') return { next: { ...workflow, updatedAtMs: nowMs }, tasks: [] }
  const { job } = stepOf(workflow, name)
  const moved = startAgain(pipeline, workflow, redoSetOf(pipeline, name), nowMs)
  if (job === undefined) return moved
  return { ...moved, next: withStep(moved.next, name, { ...stepOf(moved.next, name), job }, nowMs) }
}

function startAgain<W extends Workflow>(
  pipeline: Pipeline,
  seen: W,
  asked: ReadonlySet<string>,
  nowMs: number,
): Moved<W> {
  const workflow = abandonUpgrade(seen)
  const again = withLostResults(pipeline, workflow, asked)
  const told = tellAllLost(workflow)
  const steps = mapSteps(told, (step, name) => (again.has(name) ? forgetStep(step) : restartStep(step, nowMs)))
  const begun: W = {
    ...withoutFields(told, 'error'),
    results: resultsWithout(workflow.results, again),
    status: 'processing',
    // What an upgrade that was given up has stored lies under the number that it had.
    generation: Math.max(workflow.generation, workflow.lastGeneration ?? 0) + 1,
    steps,
    processingSinceMs: nowMs,
    updatedAtMs: nowMs,
  }
  return startReady(pipeline, begun, nowMs)
}

/** Steps that are done, but whose result the document has lost, are done again too, with what builds on them. */
function withLostResults(pipeline: Pipeline, { steps, results }: Workflow, asked: ReadonlySet<string>) {
  const lost = pipeline.filter(({ name }) => {
    const step = steps[name]
    return step?.state === 'done' && step.fallback === undefined && results[name] === undefined
  })
  return lost.reduce((again, { name }) => again.union(redoSetOf(pipeline, name)), asked)
}

/** As if the step had never been; what it has cost stays on record. */
function forgetStep(step: Step): Step {
  const traces = tracesOf(step)
  const { job, provider } = step
  // One that was meant to be made, and may be there, must still be found when everything is removed.
  const isLost = job !== undefined && job.providerJobId === undefined
  const lost = { ...job, ...(provider !== undefined && { provider: job?.provider ?? provider }) }
  return {
    ...PENDING,
    ...traces,
    ...(isLost && { lostJobs: [...(traces.lostJobs ?? []), lost as NonNullable<Step['job']>] }),
  }
}

/** A finished step stays; a job that still runs at the provider is kept to be asked for; all else starts over. */
function restartStep(step: Step, nowMs: number): Step {
  if (step.state === 'done' || step.state === 'skipped') return step
  const jobLives = step.job !== undefined && step.state !== 'error'
  return {
    ...PENDING,
    ...(jobLives && { ...leaveJobOpen(step, nowMs), ...(step.provider && { provider: step.provider }) }),
    ...tracesOf(step),
  }
}

/** What is still to be known of a step that starts over: calls that were charged, jobs that may be somewhere. */
function tracesOf(step: Step): Pick<Step, 'paid' | 'lostJobs'> {
  const { lostJobs } = step
  return { ...closeCall(step), ...(lostJobs && { lostJobs }) }
}

/** Ends processing: leases and tasks of the old generation are worthless from here on. */
export function cancel<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  _event: Readonly<Record<string, never>>,
  nowMs: number,
): Moved<W> {
  const told = tellAllLost(workflow)
  const steps = mapSteps(told, (step) =>
    isOpen(step) ? { ...release(step, 'pending'), ...leaveJobOpen(step, nowMs) } : release(step, undefined),
  )
  const over: W = {
    ...told,
    status: 'cancelled',
    generation: workflow.generation + 1,
    steps,
    updatedAtMs: nowMs,
  }
  // Whoever works on such a step is the one who can tell its provider to stop.
  let moved: Moved<W> = { next: over, tasks: [] }
  for (const spec of pipeline) {
    if (jobToStop(spec, over) === undefined) continue
    const { name } = spec
    const dispatched = dispatch(moved.next, name, stepOf(moved.next, name), nowMs)
    moved = { next: dispatched.next, tasks: [...moved.tasks, ...dispatched.tasks] }
  }
  return moved
}

/** The paid job of a cancelled workflow that its provider can still be told to stop. */
export function jobToStop({ name, stoppable }: StepSpec, workflow: Workflow): string | undefined {
  if (stoppable !== true || workflow.status !== 'cancelled') return undefined
  const { state, job } = stepOf(workflow, name)
  return state === 'pending' ? job?.providerJobId : undefined
}

/** The provider has been told to stop the job of a cancelled workflow: a retry begins with a new one. */
export function recordStop<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  { step: name, jobId }: { readonly step: string; readonly jobId: string },
): Moved<W> | undefined {
  if (jobToStop(specOf(pipeline, name), workflow) !== jobId) return undefined
  const steps = { ...workflow.steps, [name]: without(stepOf(workflow, name), 'job') }
  return { next: { ...workflow, steps }, tasks: [] }
}

/** From here on nobody sees the workflow or works on it. */
export function remove<W extends Workflow>(
  _pipeline: Pipeline,
  workflow: W,
  _event: Readonly<Record<string, never>>,
  nowMs: number,
): Moved<W> {
  const next = { ...tellAllLost(workflow), deletedAtMs: nowMs, updatedAtMs: nowMs, generation: workflow.generation + 1 }
  return { next, tasks: [] }
}

function mapSteps(workflow: Workflow, map: (step: Step, name: string) => Step): Record<string, Step> {
  return Object.fromEntries(Object.entries(workflow.steps).map(([name, step]) => [name, map(step, name)]))
}
