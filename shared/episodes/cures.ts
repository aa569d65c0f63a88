import { fail, finishStep, orderStep, released } from './moves.ts'
import type { Moved } from './moves.ts'
import type { Episode, EpisodeFault, Results, Step } from './schema.ts'
import type { StepName } from './steps.ts'

/** The sweep gives a step that nobody looks after to another attempt; whoever held it is fenced out. */
export function redrive(
  episode: Episode,
  name: StepName,
  nowMs: number,
  { stepLeaseMs }: { stepLeaseMs: number },
): Moved {
  const step = episode.steps[name]
  // That its holder was alive until then goes with the lease, and must not be forgotten with it.
  const aliveAtMs = step.lease === undefined ? 0 : step.lease.untilMs - stepLeaseMs
  const progressAtMs = Math.max(step.progressAtMs ?? 0, aliveAtMs)
  const since = step.redriven?.sinceMs ?? step.lease?.untilMs ?? step.nextCheckAtMs ?? episode.updatedAtMs
  const redriven = { count: (step.redriven?.count ?? 0) + 1, sinceMs: since, atMs: nowMs }
  const freed = released(step, step.state === 'running' ? 'pending' : step.state)
  const free: Step = { ...freed, redriven, ...(progressAtMs > 0 && { progressAtMs }) }
  return orderStep(episode, name, free, nowMs)
}

/** The outputs are there, and only the episode did not say so. */
export function finishFromStorage(episode: Episode, outputs: NonNullable<Results['finish']>, nowMs: number): Moved {
  return finishStep(episode, 'finish', { results: { finish: outputs } }, nowMs)
}

/** Nothing has gone forward for too long. */
export function declareStuck(episode: Episode, name: StepName, fault: EpisodeFault, nowMs: number): Moved {
  return fail(episode, name, fault, nowMs)
}

/** The provider has been told to stop the job of a cancelled episode: a retry begins with a new one. */
export function stopped(episode: Episode, name: StepName, jobId: string): Episode {
  const { job, ...step } = episode.steps[name]
  if (job?.providerJobId !== jobId || episode.status !== 'cancelled') return episode
  return { ...episode, steps: { ...episode.steps, [name]: step } }
}
