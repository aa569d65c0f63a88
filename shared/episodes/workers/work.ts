import type { WorkDependencies } from '../../dependencies/work.ts'
import type { AudioSource, Cost, JobFailure, PortLists, WebhookTarget } from '../../podcast/ports.ts'
import type { CallContext } from '../../resilience/call-context.ts'
import type { Outcome } from '../machine.ts'
import type { Episode, Results, Step } from '../schema.ts'
import { PORT_OF } from '../steps.ts'
import type { StepName } from '../steps.ts'
import type { Run } from '../upgrade.ts'
import { noSpeech, notAudio, rejected } from './faults.ts'

/** One attempt of one step, as the code that does the work sees it. */
export type Work = {
  readonly dependencies: WorkDependencies
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
   * Says that a paid call has gone through, at whom, and what it cost: should its result be lost from here on, another
   * call would be a repeat.
   */
  charged(provider: string, cost: Cost): void
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

/** The first of those that a step may go to. */
export function firstOf<One>(list: readonly One[]): One {
  const [first] = list
  if (first === undefined) throw new Error('nobody is behind this port')
  return first
}

/** Names of the providers that a step may go to, the first first; none for a step that needs none. */
export function providersOf(lists: PortLists, step: StepName): readonly string[] {
  const port = PORT_OF[step]
  return port === undefined ? [] : lists[port].map(({ name }) => name)
}

/** How soon to ask for a job although its provider said it would call; undefined when it will not call. */
export function safetyPollMsOf({ dependencies }: Work, { callsBack }: { callsBack: boolean }): number | undefined {
  return callsBack ? dependencies.config.safetyPollMs : undefined
}

/** Where a provider calls back about this attempt's job. */
export function webhookTarget(work: Work, provider: string): WebhookTarget {
  const url = new URL(`${work.dependencies.config.hooksBaseUrl}/hooks-${provider}`)
  url.searchParams.set('episodeId', work.episode.id)
  return { url: url.href, token: jobOf(work.step).hookToken }
}

const SOURCE_LINK_SECONDS = 24 * 3600

/** The recording, as it was when processing began. */
export function recordingOf(work: Work): AudioSource {
  const { audio } = work.episode
  if (audio === undefined) throw new Error('an episode in processing without audio')
  return sourceOf(work, audio)
}

/** A stored sound; a link to it is good for a day. */
export function sourceOf(
  { dependencies: { objects } }: Work,
  { key, contentType, objectGeneration }: { key: string; contentType: string; objectGeneration?: string | undefined },
): AudioSource {
  return {
    contentType,
    link: (query) =>
      objects.signedRead(key, {
        seconds: SOURCE_LINK_SECONDS,
        ...(query && { query }),
        ...(objectGeneration !== undefined && { generation: objectGeneration }),
      }),
    bytes: () => objects.readStream(key),
  }
}

/** What follows from a job that its provider ended without a result. @throws JobEnded when another job may succeed */
export function outcomeOfJobFailure({ reason, message }: JobFailure): Outcome {
  switch (reason) {
    case 'ended':
      throw new JobEnded(message)
    case 'not_audio':
      return { kind: 'failed', fault: notAudio() }
    case 'no_speech':
      return { kind: 'failed', fault: noSpeech() }
    case 'refused':
      return { kind: 'failed', fault: rejected(message) }
  }
}
