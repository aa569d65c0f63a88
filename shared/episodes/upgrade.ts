import { PENDING, resultsWithout, startReady, withStep } from './moves.ts'
import type { Moved } from './moves.ts'
import type { Episode, Results, Step } from './schema.ts'
import { AMBIGUOUS_REPEATS_MAX, STEPS } from './steps.ts'
import type { StepName } from './steps.ts'

/*
 * A ready episode with a fallback's result is upgraded beside what there is: one step is done again by its provider,
 * with what builds on it, as a run of a generation of its own that steps, leases and orders know no other from. When all
 * of it is there it takes the place of the old in one write; until then, and when it fails, the episode is as it was.
 */

/** An episode as the steps of one run see it. */
export type Run = Episode & {
  /** What the run takes the place of, should it end well. */
  readonly replaces?: { readonly step: StepName; readonly steps: Episode['steps']; readonly results: Results }
}

/** What has to be done again for a better result of a step. Mastering works on sound, and needs no notes. */
const DONE_AGAIN: Partial<Record<StepName, ReadonlySet<StepName>>> = {
  write: new Set(['write', 'finish']),
  voice: new Set(['voice', 'master', 'finish']),
  master: new Set(['master', 'finish']),
}
/** Tries 5 minutes after the fallback, then 10, 20 and so on up to 6 hours: two days at the default. */
const TRIES_MAX = 14
const PAUSE_MS_MAX = 6 * 3_600_000

/** The run of a generation; the episode itself where it has no other of that name. */
export function runOf(episode: Episode, generation: number): Run {
  const { upgrade, ...ready } = episode
  if (upgrade?.generation !== generation || episode.status !== 'ready') return episode
  const { step, steps, results } = upgrade
  const replaces = { step, steps: episode.steps, results: episode.results }
  return {
    ...ready,
    status: 'processing',
    generation,
    steps,
    results,
    processingSinceMs: upgrade.startedAtMs,
    replaces,
  }
}

/** The run that is at work: the upgrade's beside a ready episode, else the episode's own. */
export function currentRun(episode: Episode): Run {
  return runOf(episode, episode.upgrade?.generation ?? episode.generation)
}

/** The episode after a change of one of its runs. */
export function folded(episode: Episode, run: Run): Episode {
  const { upgrade } = episode
  if (upgrade === undefined || run.generation !== upgrade.generation) return run
  const { replaces: _over, ...rest } = run
  const { jobs, costs } = run
  const known = { ...episode, ...(jobs && { jobs }), ...(costs && { costs }), updatedAtMs: run.updatedAtMs }
  if (run.status === 'processing') return { ...known, upgrade: { ...upgrade, steps: run.steps, results: run.results } }
  if (run.status !== 'ready') return givenUp(known, upgrade, run)
  return {
    ...rest,
    ...('processingSinceMs' in episode && { processingSinceMs: episode.processingSinceMs }),
  }
}

/** Applies a transition to the run that an order or a fence names. */
export function inRun(
  episode: Episode,
  generation: number,
  transition: (run: Run) => Moved | undefined,
): Moved | undefined {
  const moved = transition(runOf(episode, generation))
  return moved && { ...moved, episode: folded(episode, moved.episode) }
}

/** When a better result is to be asked for; undefined: never, or one is being made. */
export function upgradeAtMs(episode: Episode): number | undefined {
  const next = dueFirst(episode)
  return next === undefined ? undefined : episode.steps[next].fallback?.nextTryAtMs
}

/** Begins to replace the fallback's result that has waited longest. */
export function beginUpgrade(episode: Episode, nowMs: number): Moved {
  const step = dueFirst(episode)
  if (step === undefined) return { episode, orders: [] }
  const again = DONE_AGAIN[step] ?? new Set<StepName>()
  const steps = Object.fromEntries(
    STEPS.map((name) => [name, again.has(name) ? toDoAgain(episode.steps[name], name === step) : episode.steps[name]]),
  ) as Episode['steps']
  const results = resultsWithout(episode.results, again)
  const generation = Math.max(episode.generation, episode.lastGeneration ?? 0) + 1
  const upgrade = { step, generation, startedAtMs: nowMs, steps, results }
  const begun = { ...episode, upgrade, lastGeneration: generation, updatedAtMs: nowMs }
  return inRun(begun, generation, (run) => startReady(run, nowMs)) ?? { episode, orders: [] }
}

/** What is known of the provider's job, or of a call whose end nobody saw, is taken up and not paid for again. */
function toDoAgain({ job, paid }: Step, itself: boolean): Step {
  if (!itself) return PENDING
  return { ...PENDING, ...(job && { job: { ...job, polls: 0 } }), ...(paid && { paid }) }
}

function dueFirst({ status, steps, upgrade, deletedAtMs }: Episode): StepName | undefined {
  if (status !== 'ready' || upgrade !== undefined || deletedAtMs !== undefined) return undefined
  const waiting = STEPS.filter((name) => DONE_AGAIN[name] && steps[name].fallback?.nextTryAtMs !== undefined)
  return waiting.toSorted((a, b) => (steps[a].fallback?.nextTryAtMs ?? 0) - (steps[b].fallback?.nextTryAtMs ?? 0))[0]
}

/** The better result could not be had: what there is stays, and is asked for again later where that can succeed. */
function givenUp(episode: Episode, { step }: NonNullable<Episode['upgrade']>, run: Run): Episode {
  const { upgrade: _over, ...kept } = episode
  const before = episode.steps[step]
  const { job, paid } = run.steps[step]
  const tries = (before.fallback?.tries ?? 0) + 1
  const pauseMs = Math.min(PAUSE_MS_MAX, (before.fallback?.pauseMs ?? PAUSE_MS_MAX) * 2 ** tries)
  const spent = paid?.open === true && paid.repeats >= AMBIGUOUS_REPEATS_MAX
  const again = run.error?.retryable === true && tries < TRIES_MAX && !spent
  const { nextTryAtMs: _past, ...fallback } = before.fallback ?? { atMs: run.updatedAtMs, tries }
  const after: Step = {
    ...before,
    fallback: { ...fallback, tries, ...(again && { nextTryAtMs: run.updatedAtMs + pauseMs }) },
    ...(job && { job }),
    ...(paid && { paid }),
  }
  return withStep(kept, step, after, run.updatedAtMs)
}
