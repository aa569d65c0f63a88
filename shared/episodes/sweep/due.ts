import { isOpen } from '../moves.ts'
import type { Episode, Step } from '../schema.ts'
import { STEPS } from '../steps.ts'
import type { StepName } from '../steps.ts'
import { currentRun, upgradeAtMs } from '../upgrade.ts'

/** When an episode is nobody's any more; all in ms. */
export type SweepLimits = {
  /** A step is stalled so long after its lease ended, or after it should have been looked at. */
  readonly stalledStepMs: number
  /** An episode is stuck after so long without progress. */
  readonly stuckEpisodeMs: number
  /** A step waits so long for a provider that cannot be used. */
  readonly episodeDeadlineMs: number
  readonly stepLeaseMs: number
  /** What an episode does not refer to is removed at this age. */
  readonly orphanAgeMs: number
}

/**
 * When the sweep must look at an episode should nothing else happen to it; undefined: never. The store keeps it beside
 * the episode with every write, so that a sweep reads only what is due.
 */
export function sweepAtMs(episode: Episode, limits: SweepLimits): number | undefined {
  if (episode.deletedAtMs !== undefined) return episode.deletedAtMs
  if (episode.status === 'processing')
    return Math.min(stuckAtMs(episode, limits), ...openSteps(episode).map((name) => stalledAtMs(episode, name, limits)))
  if (jobToStop(episode) !== undefined) return episode.updatedAtMs
  const times = [
    untidy(episode) ? episode.updatedAtMs + limits.orphanAgeMs : Infinity,
    upgradeAtMs(episode) ?? Infinity,
    episode.upgrade === undefined ? Infinity : (sweepAtMs(currentRun(episode), limits) ?? Infinity),
  ]
  const first = Math.min(...times)
  return Number.isFinite(first) ? first : undefined
}

/** When a step counts as stalled: nothing has happened to it for too long after something should have. */
export function stalledAtMs(episode: Episode, name: StepName, { stalledStepMs }: SweepLimits): number {
  const { state, lease, nextCheckAtMs } = episode.steps[name]
  const expectedMs = state === 'running' ? lease?.untilMs : nextCheckAtMs
  return (expectedMs ?? episode.updatedAtMs) + stalledStepMs
}

/** When the episode counts as stuck: a lease that is renewed is progress, a job that is asked for again is none. */
export function stuckAtMs(episode: Episode, limits: SweepLimits): number {
  const waits = openSteps(episode).flatMap((name) => {
    const { unavailable } = episode.steps[name]
    return unavailable === undefined ? [] : [unavailable.sinceMs + limits.episodeDeadlineMs + limits.stalledStepMs]
  })
  return Math.max(progressAtMs(episode, limits) + limits.stuckEpisodeMs, ...waits)
}

/** When something last went forward. */
export function progressAtMs(episode: Episode, { stepLeaseMs }: Pick<SweepLimits, 'stepLeaseMs'>): number {
  const ofStep = ({ progressAtMs: madeAtMs, finishedAtMs, lease }: Step) => [
    madeAtMs ?? 0,
    finishedAtMs ?? 0,
    lease === undefined ? 0 : lease.untilMs - stepLeaseMs,
  ]
  return Math.max(episode.processingSinceMs ?? 0, ...STEPS.flatMap((name) => ofStep(episode.steps[name])))
}

/** Steps that somebody should be at, or that are ready to be begun. */
export function openSteps(episode: Episode): StepName[] {
  return STEPS.filter((name) => isOpen(episode.steps[name]) && episode.steps[name].dispatch > 0)
}

/** The paid job of a cancelled episode that its provider can still be told to stop. */
export function jobToStop(episode: Episode): string | undefined {
  const { state, job } = episode.steps.master
  return episode.status === 'cancelled' && state === 'pending' ? job?.providerJobId : undefined
}

function untidy({ status, audio, updatedAtMs, tidiedAtMs }: Episode): boolean {
  const mayHoldMore = status === 'draft' ? audio !== undefined : true
  return mayHoldMore && (tidiedAtMs === undefined || tidiedAtMs < updatedAtMs)
}
