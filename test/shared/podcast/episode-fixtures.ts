import type { Problem } from '../../../shared/engine/problem.ts'
import type { StepTask } from '../../../shared/engine/task.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import type { Claim, ClaimEvent, ProviderChoice } from '../../../shared/engine/transitions/claim.ts'
import { freshSteps } from '../../../shared/engine/transitions/moved.ts'
import type { Fence, Moved } from '../../../shared/engine/transitions/moved.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import type { Outcome } from '../../../shared/engine/outcome.ts'
import type { Options } from '../../../shared/podcast/content.ts'
import { SCHEMA_VERSION } from '../../../shared/podcast/episode.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { PIPELINE } from '../../../shared/podcast/pipeline.ts'
import type { StepName } from '../../../shared/podcast/pipeline.ts'

/* An episode in the hands of a test, and what can be done to it. */

const PROBLEM: Problem = { code: 'attempts_exhausted', message: 'gave up', retryable: true, error_id: 'e1' }
const LEASE_MS = 20_000

export const RESULTS: { readonly [Name in StepName]: NonNullable<Episode['results'][Name]> } = {
  transcribe: { transcriptKey: 't', durationSeconds: 10, wordCount: 3 },
  write: { notesKey: 'n', notes: { title: 'T', description: 'D', chapters: [], tags: [] } },
  voice: { audioKey: 'v', characters: 5 },
  master: { audioKey: 'm', durationSeconds: 12, introSeconds: 2 },
  finish: { audioKey: 'a', transcriptKey: 't', vttKey: 'v', srtKey: 's' },
}

const PROVIDERS: Readonly<Record<string, readonly ProviderChoice[]>> = {
  transcribe: [{ name: 'assemblyai', kind: 'job' }],
  write: [{ name: 'gemini', kind: 'call' }],
  voice: [{ name: 'elevenlabs', kind: 'call' }],
  master: [{ name: 'auphonic', kind: 'job' }],
}

/** A draft with a pinned recording, created at time 0. */
export function draft(options: Options = { intro: { text: 'Hello.' } }): Episode {
  return {
    schemaVersion: SCHEMA_VERSION,
    id: '0123456789abcdef01234567',
    userId: 'alice',
    title: 'A draft',
    language: 'en',
    options,
    status: 'draft',
    generation: 0,
    audio: { key: 'episodes/x/source/y', contentType: 'audio/flac', sizeBytes: 10, objectGeneration: '1' },
    steps: freshSteps(PIPELINE) as Episode['steps'],
    results: {},
    createdAtMs: 0,
    updatedAtMs: 0,
  }
}

export function started(options?: Options, nowMs = 1): Moved<Episode> {
  return start(PIPELINE, draft(options), {}, nowMs)
}

export function claimEvent(task: StepTask, token: string, more: Partial<ClaimEvent> = {}): ClaimEvent {
  return {
    task,
    token,
    leaseMs: LEASE_MS,
    providers: PROVIDERS[task.step] ?? [],
    newJob: { key: 'job', webhookToken: 'hook' },
    errorId: PROBLEM.error_id,
    mayFallBack: false,
    ...more,
  }
}

/** What comes of asking for a step. */
export function askFor(
  episode: Episode,
  task: StepTask,
  nowMs: number,
  more: Partial<ClaimEvent> = {},
): Claim<Episode> {
  return claim<Episode>(PIPELINE, episode, claimEvent(task, `token-${nowMs}`, more), nowMs)
}

/** A step in the hands of an attempt. */
export type Held = { readonly episode: Episode; readonly fence: Fence; readonly resumesIntent: boolean }

export function claimStep(episode: Episode, task: StepTask, nowMs: number, more: Partial<ClaimEvent> = {}): Held {
  const asked = askFor(episode, task, nowMs, more)
  if (asked.kind !== 'claimed') throw new Error(`expected a claim, got ${asked.kind}`)
  return { episode: asked.moved.next, fence: asked.fence, resumesIntent: asked.resumesIntent }
}

function settleStep({ episode, fence }: Omit<Held, 'resumesIntent'>, outcome: Outcome, nowMs: number): Moved<Episode> {
  const moved = settle(PIPELINE, episode, { fence, outcome, cost: undefined }, nowMs)
  if (moved === undefined) throw new Error('the step is held by another attempt')
  return moved
}

export function doneAs(step: StepName): Outcome {
  return { kind: 'done', result: RESULTS[step], by: undefined, degraded: undefined }
}
export const FAILED: Outcome = { kind: 'failed', problem: PROBLEM, call: 'ended' }

/** Carries out one task at once and successfully. */
export function carryOut(episode: Episode, task: StepTask, nowMs: number): Moved<Episode> {
  return settleStep(claimStep(episode, task, nowMs), doneAs(task.step as StepName), nowMs)
}

export function taskFor({ tasks }: Pick<Moved<Episode>, 'tasks'>, step: StepName): StepTask {
  const task = tasks.find((one) => one.step === step)
  if (task === undefined) throw new Error(`no task for ${step}`)
  return task
}
