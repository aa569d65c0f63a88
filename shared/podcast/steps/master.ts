import * as z from 'zod'

import { jobOf } from '../../engine/attempt.ts'
import { resultOf } from '../../engine/definition.ts'
import type { GenerationView } from '../../engine/workflow.ts'
import { JobEnded } from '../../engine/failure.ts'
import { loudnessTargetOf } from '../defaults.ts'
import { SourceFailed } from '../errors.ts'
import type { AudioSource, Mastering, MasteringState } from '../ports.ts'
import { durationSeconds } from '../sound/duration.ts'
import { unlessNotAudio } from '../sound/not-audio.ts'
import { nextPollMs, providerOf } from '../tools.ts'
import type { Tools } from '../tools.ts'
import { audioSource, defineStep, keysOf, recordingOf, recordingSource, webhookTarget } from './define-step.ts'
import type { EpisodeAttempt, StepEnded } from './define-step.ts'
import { doneWithout } from './done-without.ts'
import { transcribe } from './transcribe.ts'
import { requireInTime, workMs } from './overdue-job.ts'
import { errorOfJob, requireStorage } from './unfetched.ts'
import { voice } from './voice.ts'
import { write } from './write.ts'

const STORES = ['mastered.mp3', 'mastered-here.mp3'] as const
const keyOf = keysOf(STORES)

const MasterResult = z.looseObject({ audioKey: z.string(), durationSeconds: z.number(), introSeconds: z.number() })

/**
 * Recording and intro to one mastered mp3. Creating a production is free and starting it is charged: it is created
 * under a name of ours, recorded, and started only when the provider says that it has not been. Mastering works on
 * sound: it waits for the notes, and is not done again with them.
 */
export const master = defineStep({
  name: 'master',
  after: [write, voice],
  redoneWith: [voice],
  kind: 'job',
  port: 'masterings',
  share: 0.3,
  stores: STORES,
  words: { makes: 'loudness, intro, mp3', purpose: 'Recording and intro to a mastered mp3' },
  // Its fallback masters here: the files are in memory, and so is ffmpeg, once at a time.
  worker: { maxDispatchesPerSecond: 10, maxConcurrentDispatches: 20, memoryMiB: 2048, concurrency: 2 },
  // An instance that could not master without its provider does not start.
  prepare: async ({ ffmpegPath }) => void (await import('../sound/ffmpeg.ts')).ffmpegProgram(ffmpegPath),
  result: MasterResult,
  fallback: 'master',
  stoppable: true,
  dependsOn: (options) => loudnessTargetOf({ options }),
  needsProvider: (view) => !onlyLacksIntro(view),
  run: (attempt, tools) =>
    onlyLacksIntro(attempt.workflow) ? putIntroBefore(attempt, tools) : runProduction(attempt, tools),

  async fallBack(attempt, tools, because) {
    const { masterHere } = await import('../sound/master-here.ts')
    const mastered = await masterHere(attempt, tools, hereSources(attempt))
    return { result: mastered, degraded: doneWithout(MASTERED_HERE, 'the mastering service', because) }
  },
})

const INTRO_TYPE = 'audio/mpeg'
const MASTERED_HERE = 'The loudness was evened out, without noise reduction'

/** An intro that could be spoken after all: put before what is mastered already, which is not paid for again. */
function onlyLacksIntro({ replaces }: GenerationView): boolean {
  return replaces?.step === voice.name
}

function hereSources(attempt: EpisodeAttempt) {
  const { sizeBytes = 0, key } = recordingOf(attempt)
  const { workflow } = attempt
  return {
    userId: workflow.userId,
    recordingKey: key,
    recordingBytes: sizeBytes,
    recordingSeconds: recordingSecondsOf(attempt),
    introKey: resultOf(workflow, voice)?.audioKey,
    audioKey: keyOf(attempt, 'mastered-here.mp3'),
    targetLufs: loudnessTargetOf(workflow),
  }
}

async function putIntroBefore(attempt: EpisodeAttempt, tools: Tools): StepEnded<typeof MasterResult> {
  const { addIntro, masterHere } = await import('../sound/master-here.ts')
  const { replaces } = attempt.workflow
  const sources = hereSources(attempt)
  const before = replaces?.steps[master.name]
  if (before?.fallback !== undefined)
    return {
      kind: 'degraded',
      result: await masterHere(attempt, tools, sources),
      degraded: before.degraded ?? `${MASTERED_HERE}.`,
    }
  const mastered = replaces && resultOf(replaces, master)
  if (mastered === undefined) throw new Error('nothing is mastered that an intro could be put before')
  return { kind: 'done', result: await addIntro(attempt, tools, { ...sources, masteredKey: mastered.audioKey }) }
}

async function runProduction(attempt: EpisodeAttempt, tools: Tools): StepEnded<typeof MasterResult> {
  const mastering = providerOf(tools.masterings, attempt)
  const { polls, starts } = jobOf(attempt)
  const id = await findOrCreate(attempt, tools, mastering)
  const made = await mastering.read(id, attempt.call)
  const pollAfterMs = (times: number) => nextPollMs(times, mastering, tools.safetyPollMs)
  switch (made.state) {
    case 'new':
      if (mayStart(attempt, made)) await start(attempt, tools, { mastering, id })
      return { kind: 'polling', afterMs: pollAfterMs(0), activity: made.doing }
    case 'working': {
      const dueInMs = await awaitInTime(attempt, mastering, { id, doing: made.doing })
      return {
        kind: 'polling',
        afterMs: Math.min(dueInMs, pollAfterMs(polls)),
        ...(made.doing !== undefined && { activity: made.doing }),
      }
    }
    case 'failed':
      // What its provider has ended is not charged.
      if ((made.reason === 'ended' || made.reason === 'unfetched') && starts !== undefined)
        await attempt.recordJob({ starts: { ...starts, count: 0 } })
      throw await errorOfJob(made, attempt, tools)
    case 'done':
      return storeSound(attempt, tools, { mastering, made })
  }
}

/**
 * A production is started once. Once more where its provider says, some time after, that it may be; so often in all, be
 * it the same production or another that is made because this one never gets to work.
 */
const STARTS_MAX = 2
const START_AGAIN_MS = 10_000
/** Another production is made where this one, after its start, stays where it was for so long. */
const START_MS_MAX = 15_000
/** Mastering takes minutes for an hour of audio, and waits in its provider's line: after so long it counts as away. */
const WORK_TIME = { msMin: 5 * 60_000, shareOfLength: 0.5 }
/** Beyond the recording's length: then it is stopped, and another is made where nothing else is left. */
const WORK_MS_MAX = 45 * 60_000

/** Whether to start what is not at work. @throws JobEnded when it was started in vain */
function mayStart(attempt: EpisodeAttempt, made: Extract<MasteringState, { state: 'new' }>): boolean {
  const { count = 0, atMs = 0 } = jobOf(attempt).starts ?? {}
  if (count === 0) return true
  const sinceMs = attempt.nowMs() - atMs
  if (count + startsInVain(attempt) < STARTS_MAX && made.mayStart) return sinceMs >= START_AGAIN_MS
  if (sinceMs > START_MS_MAX)
    throw new JobEnded(`not at work ${Math.round(sinceMs / 1000)} s after its start: "${made.doing}"`)
  return false
}

/** Of productions before this one. */
function startsInVain({ step }: EpisodeAttempt): number {
  return step.startsInVain ?? 0
}

async function start(
  attempt: EpisodeAttempt,
  tools: Tools,
  { mastering, id }: { mastering: Mastering; id: string },
): Promise<void> {
  const before = jobOf(attempt).starts?.count ?? 0
  const recordStart = (how: 'sent' | 'notCarriedOut') =>
    attempt.recordJob({ starts: { count: before + (how === 'sent' ? 1 : 0), atMs: attempt.nowMs() } })
  const failure = await mastering.start(id, { ...soundOf(attempt, tools), recordStart }, attempt.call)
  if (failure !== undefined) throw await errorOfJob(failure, attempt, tools)
}

/**
 * A production that is at work: its provider counts as away once it should have ended, and long after that it is stopped.
 * @returns in how many ms it should have ended @throws ServiceAway, JobEnded
 */
async function awaitInTime(
  attempt: EpisodeAttempt,
  mastering: Mastering,
  { id, doing }: { id: string; doing: string | undefined },
): Promise<number> {
  const nowMs = attempt.nowMs()
  const { starts } = jobOf(attempt)
  // Nobody here has started it: from now on it is waited for as for any other.
  if (starts === undefined) await attempt.recordJob({ starts: { count: 0, atMs: nowMs } })
  const { atMs: sinceMs } = starts ?? { atMs: nowMs }
  const seconds = recordingSecondsOf(attempt) ?? 0
  if (nowMs - sinceMs > WORK_MS_MAX + seconds * 1000) {
    await mastering.stop(id, attempt.call)
    throw new JobEnded(`${mastering.name}: still "${doing ?? 'at work'}"`)
  }
  return requireInTime(attempt, { sinceMs, workMs: workMs(WORK_TIME, seconds), doing })
}

async function findOrCreate(attempt: EpisodeAttempt, tools: Tools, mastering: Mastering): Promise<string> {
  const { key, providerJobId } = jobOf(attempt)
  const { createdAtMs: sinceMs } = attempt.workflow
  if (providerJobId !== undefined) return providerJobId
  const known = attempt.resumesIntent ? await mastering.find({ key, sinceMs }, attempt.call) : undefined
  const { id } = known ?? (await create(attempt, tools, mastering))
  await attempt.recordJob({ providerJobId: id })
  return id
}

async function create(attempt: EpisodeAttempt, tools: Tools, mastering: Mastering): Promise<{ id: string }> {
  await requireStorage(attempt, tools)
  const { workflow } = attempt
  if (startsInVain(attempt) >= STARTS_MAX)
    throw new JobEnded(`${mastering.name}: started ${STARTS_MAX} times, and not once at work`)
  return mastering.create(
    {
      jobKey: jobOf(attempt).key,
      title: resultOf(workflow, write)?.notes.title ?? workflow.title,
      loudnessTarget: loudnessTargetOf(workflow),
      ...soundOf(attempt, tools),
      webhook: webhookTarget(attempt, tools),
    },
    attempt.call,
  )
}

function soundOf(attempt: EpisodeAttempt, tools: Tools): { recording: AudioSource; intro: AudioSource | undefined } {
  const spoken = resultOf(attempt.workflow, voice)
  const intro = spoken && audioSource(tools, { key: spoken.audioKey, contentType: INTRO_TYPE })
  return { recording: recordingSource(attempt, tools), intro }
}

async function storeSound(
  attempt: EpisodeAttempt,
  { objects }: Tools,
  { mastering, made }: { mastering: Mastering; made: Extract<MasteringState, { state: 'done' }> },
): StepEnded<typeof MasterResult> {
  const audioKey = keyOf(attempt, 'mastered.mp3')
  const introSeconds = await measureIntro(attempt, { objects })
  const recordingSeconds = recordingSecondsOf(attempt)
  attempt.tell('fetching the mastered audio')
  const expectedSeconds = recordingSeconds && recordingSeconds + (introSeconds ?? 0)
  const audio = await mastering.download(made.result, expectedSeconds, attempt.call)
  try {
    await objects.create(audioKey, audio, 'audio/mpeg', attempt.signal)
  } catch (error) {
    // What came is no sound, or not all of it: that says nothing about storage.
    throw error instanceof SourceFailed ? error.cause : error
  }
  // An attempt before this one may have stored it, so that it was not read to its end again.
  const seconds = audio.seconds ?? (await measureSound(attempt, { objects }, audioKey))
  const before = introSeconds ?? Math.max(0, seconds - (recordingSeconds ?? seconds))
  return { kind: 'done', result: { audioKey, durationSeconds: seconds, introSeconds: before }, cost: made.cost }
}

/** As the transcription measured it: perhaps in whole seconds. Undefined where it could not. */
function recordingSecondsOf({ workflow }: EpisodeAttempt): number | undefined {
  return resultOf(workflow, transcribe)?.durationSeconds || undefined
}

/** What is heard of the intro that was sent, in seconds; undefined for one that only its provider can read. */
async function measureIntro(attempt: EpisodeAttempt, tools: Pick<Tools, 'objects'>): Promise<number | undefined> {
  const spoken = resultOf(attempt.workflow, voice)
  if (spoken === undefined) return 0
  return unlessNotAudio(measureSound(attempt, tools, spoken.audioKey))
}

async function measureSound(
  { workflow, signal }: EpisodeAttempt,
  { objects }: Pick<Tools, 'objects'>,
  key: string,
): Promise<number> {
  const about = { contentType: 'audio/mpeg', userId: workflow.userId }
  return durationSeconds(await objects.readStream(key), about, { signal })
}
