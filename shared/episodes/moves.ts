import { STARTS_AFTER, STEPS } from './steps.ts'
import type { StepName, StepOrder } from './steps.ts'
import type { Episode, EpisodeFault, Results, Step } from './schema.ts'

/** An episode after a transition, and the orders that must be enqueued once it is stored. */
export type Moved = { episode: Episode; orders: StepOrder[] }

export const PENDING: Step = { state: 'pending', attempt: 0, dispatch: 0 }

export function freshSteps(): Episode['steps'] {
  return Object.fromEntries(STEPS.map((name) => [name, PENDING])) as Episode['steps']
}

/** What there is without what is to be done again. */
export function resultsWithout(results: Results, again: ReadonlySet<StepName>): Results {
  return Object.fromEntries(Object.entries(results).filter(([name]) => !again.has(name as StepName)))
}

export function finishStep(
  episode: Episode,
  name: StepName,
  outcome: { results: Results; adopted?: boolean; degraded?: string; fallsBack?: boolean; upgradeAfterMs?: number },
  nowMs: number,
): Moved {
  const step = released(episode.steps[name], 'done')
  const { unavailable: _over, error: _cured, ...kept } = step
  const { degraded, fallsBack, upgradeAfterMs: pauseMs, adopted } = outcome
  // What became of the provider's last call is not told by a fallback.
  const paid =
    kept.paid && (adopted ? adoptedCall(kept.paid) : { ...kept.paid, open: fallsBack === true && kept.paid.open })
  const fallback = { atMs: nowMs, tries: 0, ...(pauseMs !== undefined && { pauseMs, nextTryAtMs: nowMs + pauseMs }) }
  const done: Step = {
    ...kept,
    finishedAtMs: nowMs,
    ...(paid && { paid }),
    ...(degraded !== undefined && { degraded }),
    ...(fallsBack && { fallback }),
  }
  const results = { ...episode.results, ...outcome.results }
  const moved = withStep({ ...episode, results }, name, done, nowMs)
  if (moved.status !== 'processing') return { episode: moved, orders: [] }
  if (name === 'finish') return { episode: { ...moved, status: 'ready' }, orders: [] }
  return startReady(moved, nowMs)
}

/** The result of the call before was found: this attempt made none. */
function adoptedCall(paid: NonNullable<Step['paid']>): NonNullable<Step['paid']> {
  return { calls: paid.calls - 1, repeats: Math.max(0, paid.repeats - 1), open: false }
}

export function fail(episode: Episode, name: StepName, fault: EpisodeFault, nowMs: number): Moved {
  const failed: Step = { ...released(episode.steps[name], 'error'), finishedAtMs: nowMs, error: fault }
  const moved = withStep(episode, name, failed, nowMs)
  return { episode: moved.status === 'processing' ? { ...moved, status: 'error', error: fault } : moved, orders: [] }
}

/** Orders every step that has become ready, and passes over those that were not asked for. */
export function startReady(episode: Episode, nowMs: number): Moved {
  let moved: Moved = { episode, orders: [] }
  for (const name of STEPS) {
    const { steps, options } = moved.episode
    const ready =
      steps[name].state === 'pending' &&
      steps[name].dispatch === 0 &&
      STARTS_AFTER[name].every((before) => isOver(steps[before]))
    if (!ready) continue
    if (name === 'voice' && options.intro === undefined) {
      moved = { ...moved, episode: withStep(moved.episode, name, { ...steps[name], state: 'skipped' }, nowMs) }
      continue
    }
    const openUntilMs = steps[name].job?.openUntilMs ?? 0
    const ordered = orderStep(moved.episode, name, steps[name], nowMs, openUntilMs > nowMs ? openUntilMs : undefined)
    moved = { episode: ordered.episode, orders: [...moved.orders, ...ordered.orders] }
  }
  return moved
}

/** Every decision to enqueue gives the order a number of its own, so that it never meets a name still reserved. */
export function orderStep(episode: Episode, name: StepName, step: Step, nowMs: number, notBeforeMs?: number): Moved {
  const dispatch = episode.steps[name].dispatch + 1
  const ordered: Step = { ...step, dispatch, nextCheckAtMs: notBeforeMs ?? nowMs }
  const order = {
    step: name,
    generation: episode.generation,
    dispatch,
    ...(notBeforeMs !== undefined && { notBeforeMs }),
  }
  return { episode: withStep(episode, name, ordered, nowMs), orders: [order] }
}

export function released(step: Step, state: Step['state'] | undefined): Step {
  const { lease: _given, nextCheckAtMs: _due, activity: _ended, ...kept } = step
  return { ...kept, ...(state && { state }) }
}

/**
 * The job of a step that is taken from its holder. Until the lease would have ended the holder may still make the job
 * unseen: whoever looks for it earlier could miss it, and make another.
 */
export function jobLeftOpen({ job, lease }: Step, nowMs: number): Pick<Step, 'job'> {
  if (job === undefined) return {}
  const open = job.providerJobId === undefined && lease !== undefined && lease.untilMs > nowMs
  return { job: open ? { ...job, openUntilMs: lease.untilMs } : job }
}

export function withStep(episode: Episode, name: StepName, step: Step, nowMs: number): Episode {
  return { ...episode, steps: { ...episode.steps, [name]: step }, updatedAtMs: nowMs }
}

function isOver({ state }: Step): boolean {
  return state === 'done' || state === 'skipped'
}

export function isOpen({ state }: Step): boolean {
  return state === 'pending' || state === 'running' || state === 'waiting'
}
