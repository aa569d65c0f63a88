import type { WorkDependencies } from '../../dependencies/work.ts'
import type { CallContext } from '../../providers/guarded-call.ts'
import type { Cost, Outcome } from '../machine.ts'
import type { Episode, Results, Step } from '../schema.ts'
import type { StepName } from '../steps.ts'
import type { Run } from '../upgrade.ts'

/** One attempt of one step, as the code that does the work sees it. */
export type Work = {
  readonly needs: WorkDependencies
  /** As its run sees it: an upgrade has results of its own. */
  readonly episode: Run
  readonly name: StepName
  readonly step: Step
  readonly signal: AbortSignal
  readonly call: CallContext
  /** An earlier attempt meant to do the same and was not heard of again: look before doing it again. */
  readonly resumesIntent: boolean
  readonly startedAtMs: number
  /**
   * Says that a paid call has gone through, and what it cost: should its result be lost from here on, another call would
   * be a repeat.
   */
  charged(cost: Cost): void
  wasCharged(): boolean
  /** Says what the work is at; its owner sees it from the next heartbeat on. */
  at(what: string): void
  /** Records what is known about the provider's job, at once. @throws LeaseLost when the step is somebody else's */
  noteJob(job: Partial<NonNullable<Step['job']>>): Promise<void>
}

/** A step's result without its provider, and in words for its owner what it lacks. */
export type Fallback = { results: Results; degraded: string }

/** What a step can do. */
export type StepWork = {
  run(work: Work): Promise<Outcome>
  /** Finds the result of an attempt that was not heard of again; undefined when it left none. */
  adopt?(work: Work): Promise<Outcome | undefined>
  /** Does without the provider. @throws NoFallback */
  fallBack?(work: Work): Promise<Fallback>
}

/** This recording cannot be done without the provider; the message says why. */
export class NoFallback extends Error {
  override readonly name = 'NoFallback'
}

/** There is a fallback, and it cannot be taken at this moment. */
export class FallbackBusy extends Error {
  override readonly name = 'FallbackBusy'
}

/** The step belongs to another attempt now, or to nobody: whatever this one still does must change nothing. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

/**
 * The provider has ended the job for a reason that is not in the recording, such as that it could not fetch it from us:
 * a new job may succeed. Ended jobs are not charged.
 */
export class JobEnded extends Error {
  override readonly name = 'JobEnded'
}

/** The job of a job step; claiming it made sure that there is one. */
export function jobOf(step: Step): NonNullable<Step['job']> {
  if (step.job === undefined) throw new Error('a job step without a job')
  return step.job
}

/** LUFS, the level podcast platforms ask for (Apple Podcasts: -16 dB LKFS +-1). */
const LOUDNESS_TARGET_DEFAULT = -16

export function loudnessTargetOf({ options }: Episode): number {
  return options.loudnessTarget ?? LOUDNESS_TARGET_DEFAULT
}

const POLL_ALONE_MS = { first: 2_000, cap: 20_000 }
const POLL_GROWTH = 1.4
const POLL_SAFETY_CAP = 3

/** When to ask for a job next: soon where nobody will tell us, seldom where a hook will and the poll is the safety net. */
export function nextPollMs(polls: number, safetyPollMs: number | undefined): number {
  const [firstMs, capMs] =
    safetyPollMs === undefined
      ? [POLL_ALONE_MS.first, POLL_ALONE_MS.cap]
      : [safetyPollMs, safetyPollMs * POLL_SAFETY_CAP]
  return Math.min(capMs, firstMs * POLL_GROWTH ** Math.min(polls, 50))
}

/** Where the provider calls back about this attempt's job; the token is worth nothing for any other. */
export function hookUrl(work: Work, hook: 'hooks-assemblyai' | 'hooks-auphonic', token?: string): string {
  const url = new URL(`${work.needs.config.hooksBaseUrl}/${hook}`)
  url.searchParams.set('episodeId', work.episode.id)
  if (token !== undefined) url.searchParams.set('token', token)
  return url.href
}
