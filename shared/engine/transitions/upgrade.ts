import { redoSetOf } from '../definition.ts'
import type { Pipeline } from '../definition.ts'
import { stepOf, withoutFields } from '../workflow.ts'
import type { GenerationView, Step, Workflow } from '../workflow.ts'
import { PENDING, resultsWithout, startReady, withStep } from './moved.ts'
import type { Moved } from './moved.ts'
import { pauseBeforeNextCall, writeOffCalls } from './paid-calls.ts'

/*
 * A ready workflow with a fallback's result is upgraded beside what there is: one step is done again by its provider,
 * with what builds on it, as a separate generation; steps, leases and tasks treat it like any other. When all of it is
 * there it takes the place of the old in one write; until then, and when it fails, the workflow is as it was.
 */

/**
 * Tries 5 minutes after the fallback, then 10, 20 and so on up to 6 hours: two days at the default. When a call and its
 * repeat were lost, the next and last is a day later.
 */
const TRIES_MAX = 14
const PAUSE_MS_MAX = 6 * 3_600_000

/** The workflow as a generation sees it; the workflow itself where it has no other of that number. */
export function viewGeneration<W extends Workflow>(workflow: W, generation: number): GenerationView<W> {
  const { upgrade, ...ready } = workflow
  if (upgrade?.generation !== generation || workflow.status !== 'ready') return workflow
  const view = {
    ...ready,
    status: 'processing',
    generation,
    steps: upgrade.steps,
    results: upgrade.results,
    processingSinceMs: upgrade.startedAtMs,
    replaces: { step: upgrade.step, steps: workflow.steps, results: workflow.results },
  }
  return view as unknown as GenerationView<W>
}

/** The generation that is at work: the upgrade's beside a ready workflow, else the workflow's own. */
export function viewCurrent<W extends Workflow>(workflow: W): GenerationView<W> {
  return viewGeneration(workflow, workflow.upgrade?.generation ?? workflow.generation)
}

/** The workflow after a change of one of its generations. */
export function mergeView<W extends Workflow>(workflow: W, view: GenerationView<W>): W {
  const { upgrade } = workflow
  if (upgrade === undefined || view.generation !== upgrade.generation) return view
  const { jobs, costs } = view
  const known = { ...workflow, ...(jobs && { jobs }), ...(costs && { costs }), updatedAtMs: view.updatedAtMs }
  if (view.status === 'processing')
    return { ...known, upgrade: { ...upgrade, steps: view.steps, results: view.results } }
  if (view.status !== 'ready') return giveUp(known, upgrade, view)
  const { replaces: _over, ...rest } = view
  const since = 'processingSinceMs' in workflow ? { processingSinceMs: workflow.processingSinceMs } : {}
  return { ...rest, ...since } as unknown as W
}

/** Applies a transition to the generation that a task or a fence names. */
export function inGeneration<W extends Workflow>(
  workflow: W,
  generation: number,
  transition: (view: GenerationView<W>) => Moved<GenerationView<W>> | undefined,
): Moved<W> | undefined {
  const moved = transition(viewGeneration(workflow, generation))
  return moved && { ...moved, next: mergeView(workflow, moved.next) }
}

/** When a better result is to be asked for; undefined: never, or one is being made. */
export function upgradeAtMs(workflow: Workflow): number | undefined {
  const name = stepToUpgrade(workflow)
  return name === undefined ? undefined : stepOf(workflow, name).fallback?.nextTryAtMs
}

/** Begins to replace the fallback's result that has waited longest. Undefined: there is none to replace. */
export function beginUpgrade<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  _event: Readonly<Record<string, never>>,
  nowMs: number,
): Moved<W> | undefined {
  const step = stepToUpgrade(workflow)
  if (step === undefined) return undefined
  const again = redoSetOf(pipeline, step)
  const steps = Object.fromEntries(
    Object.entries(workflow.steps).map(([name, one]) => [name, again.has(name) ? redoStep(one, name === step) : one]),
  )
  const results = resultsWithout(workflow.results, again)
  const generation = Math.max(workflow.generation, workflow.lastGeneration ?? 0) + 1
  const upgrade = { step, generation, startedAtMs: nowMs, steps, results }
  const begun = { ...workflow, upgrade, lastGeneration: generation, updatedAtMs: nowMs }
  return inGeneration<W>(begun, generation, (view) => startReady(pipeline, view, nowMs))
}

/** What is known of the provider's job, or of a call whose end nobody saw, is taken up and not paid for again. */
function redoStep(step: Step, isFirst: boolean): Step {
  const { job, lostJobs, startsInVain } = step
  const pending: Step = {
    ...PENDING,
    ...(lostJobs && { lostJobs }),
    ...(startsInVain !== undefined && { startsInVain }),
  }
  if (!isFirst) return pending
  const jobLives = job !== undefined && job.removedAtMs === undefined
  return { ...pending, ...(jobLives && { job: { ...job, polls: 0 } }), ...writeOffCalls(step) }
}

/** The workflow without the upgrade that is being worked on, as if that had been given up. */
export function abandonUpgrade<W extends Workflow>(workflow: W): W {
  const { upgrade } = workflow
  return upgrade === undefined ? workflow : giveUp(workflow, upgrade, viewCurrent(workflow))
}

function stepToUpgrade({ status, steps, upgrade, deletedAtMs }: Workflow): string | undefined {
  if (status !== 'ready' || upgrade !== undefined || deletedAtMs !== undefined) return undefined
  const waiting = Object.entries(steps).flatMap(([name, { fallback }]) =>
    fallback?.nextTryAtMs === undefined ? [] : [{ name, atMs: fallback.nextTryAtMs }],
  )
  return waiting.toSorted((a, b) => a.atMs - b.atMs)[0]?.name
}

/** The better result could not be had: what there is stays, and is asked for again later where that can succeed. */
function giveUp<W extends Workflow>(
  workflow: W,
  { step }: NonNullable<Workflow['upgrade']>,
  view: GenerationView<W>,
): W {
  const before = stepOf(workflow, step)
  const { job, paid, startsInVain } = stepOf(view, step)
  const tries = (before.fallback?.tries ?? 0) + 1
  const usualPauseMs = Math.min(PAUSE_MS_MAX, (before.fallback?.pauseMs ?? PAUSE_MS_MAX) * 2 ** tries)
  const pauseMs = pauseBeforeNextCall({ paid: paid ?? before.paid }, usualPauseMs)
  const again = view.error?.retryable === true && tries < TRIES_MAX && pauseMs !== undefined
  const { nextTryAtMs: _past, ...fallback } = before.fallback ?? { atMs: view.updatedAtMs, tries }
  const after: Step = {
    ...before,
    fallback: { ...fallback, tries, ...(again && { nextTryAtMs: view.updatedAtMs + pauseMs }) },
    ...(job && { job }),
    ...(paid && { paid }),
    ...(startsInVain !== undefined && { startsInVain }),
  }
  return withStep(withoutFields(workflow, 'upgrade'), step, after, view.updatedAtMs)
}
