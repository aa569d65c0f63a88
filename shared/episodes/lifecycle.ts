import { isOpen, jobLeftOpen, orderStep, PENDING, released, resultsWithout, startReady, withStep } from './moves.ts'
import type { Moved } from './moves.ts'
import type { Episode, Step } from './schema.ts'
import { STARTS_AFTER, STEPS } from './steps.ts'
import type { StepName } from './steps.ts'

/* What an owner does to an episode, as pure functions like those of its steps. */

/**
 * Starts the pipeline on pinned audio, or again after an error or a cancel; steps already done are kept, unless they
 * are to be done again `from` one on.
 */
export function start(episode: Episode, nowMs: number, from?: StepName): Moved {
  if (from === undefined) return startAgain(episode, nowMs, new Set<StepName>())
  const moved = startAgain(episode, nowMs, withFollowers(from))
  const { steps } = moved.episode
  return { ...moved, episode: { ...moved.episode, steps: { ...steps, [from]: { ...steps[from], anew: true } } } }
}

/** What depends on the words of the recording. */
const OF_TRANSCRIPT: ReadonlySet<StepName> = new Set(['transcribe', 'write', 'finish'])

/** The owner brings the words themselves: the pipeline goes on from them at once, wherever it stands. */
export function takeTranscript(
  episode: Episode,
  handTranscript: NonNullable<Episode['handTranscript']>,
  nowMs: number,
): Moved {
  const given = { ...episode, handTranscript, updatedAtMs: nowMs }
  if (episode.status === 'draft') return { episode: given, orders: [] }
  const { job } = episode.steps.transcribe
  const moved = startAgain(given, nowMs, OF_TRANSCRIPT)
  if (job === undefined) return moved
  // Nobody waits for the transcription any more; it is remembered, so that deleting the episode reaches it.
  const transcribe = { ...moved.episode.steps.transcribe, job }
  return { ...moved, episode: withStep(moved.episode, 'transcribe', transcribe, nowMs) }
}

function startAgain(episode: Episode, nowMs: number, again: ReadonlySet<StepName>): Moved {
  const steps = Object.fromEntries(
    STEPS.map((name) => [name, again.has(name) ? afresh(episode.steps[name]) : restarted(episode.steps[name], nowMs)]),
  ) as Episode['steps']
  const { error: _cured, ...kept } = episode
  return startReady(
    {
      ...kept,
      results: resultsWithout(episode.results, again),
      status: 'processing',
      generation: episode.generation + 1,
      steps,
      processingSinceMs: nowMs,
      updatedAtMs: nowMs,
    },
    nowMs,
  )
}

/** A step and all that build on it. */
function withFollowers(from: StepName): ReadonlySet<StepName> {
  const again = new Set([from])
  for (const name of STEPS) if (STARTS_AFTER[name].some((before) => again.has(before))) again.add(name)
  return again
}

/** As if the step had never been; what it has cost stays on record. */
function afresh({ paid }: Step): Step {
  return { ...PENDING, ...(paid && { paid: { ...paid, open: false } }) }
}

/** A finished step stays; a job that still runs at the provider is kept to be asked for; all else starts over. */
function restarted(step: Step, nowMs: number): Step {
  if (step.state === 'done' || step.state === 'skipped') return step
  const jobLives = step.job !== undefined && step.state !== 'error'
  return {
    ...PENDING,
    ...(jobLives && jobLeftOpen(step, nowMs)),
    ...(step.paid && { paid: { ...step.paid, open: false } }),
  }
}

/** Ends processing: leases and orders of the old generation are worthless from here on. */
export function cancel(episode: Episode, nowMs: number): Moved {
  const steps = Object.fromEntries(
    STEPS.map((name) => {
      const step = episode.steps[name]
      return [
        name,
        isOpen(step) ? { ...released(step, 'pending'), ...jobLeftOpen(step, nowMs) } : released(step, undefined),
      ]
    }),
  ) as Episode['steps']
  const over: Episode = {
    ...episode,
    status: 'cancelled',
    generation: episode.generation + 1,
    steps,
    updatedAtMs: nowMs,
  }
  // A transcription cannot be stopped; it is kept, and asked for again by a retry.
  const { job, state } = steps.master
  return job?.providerJobId === undefined || state !== 'pending'
    ? { episode: over, orders: [] }
    : orderStep(over, 'master', steps.master, nowMs)
}
