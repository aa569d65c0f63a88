import * as z from 'zod'

import { jobOf } from '../../engine/attempt.ts'
import { resultOf } from '../../engine/definition.ts'
import type { GenerationView } from '../../engine/workflow.ts'
import { ServiceAway } from '../../engine/failure.ts'
import { loudnessTargetOf } from '../content.ts'
import { SourceFailed } from '../errors.ts'
import type { AudioSource, Mastering, MasteringState } from '../ports.ts'
import { nextPollMs, providerOf } from '../tools.ts'
import type { Tools } from '../tools.ts'
import {
  audioSource,
  defineStep,
  errorOfJob,
  keyOf,
  recordingOf,
  recordingSource,
  webhookTarget,
} from './define-step.ts'
import type { EpisodeAttempt, StepEnded } from './define-step.ts'
import { transcribe } from './transcribe.ts'
import { voice } from './voice.ts'
import { write } from './write.ts'

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

  async fallBack(attempt, tools) {
    const { masterHere } = await import('../sound/master-here.ts')
    const mastered = await masterHere(attempt, tools, hereSources(attempt))
    return { result: mastered, degraded: MASTERED_HERE }
  },
})

const MASTERED_HERE = 'The loudness was evened out, without noise reduction, because the mastering service was away.'

/** An intro that could be spoken after all: put before what is mastered already, which is not paid for again. */
function onlyLacksIntro({ replaces }: GenerationView): boolean {
  return replaces?.step === voice.name
}

function hereSources(attempt: EpisodeAttempt) {
  const { sizeBytes = 0, key } = recordingOf(attempt)
  const { workflow } = attempt
  return {
    recordingKey: key,
    recordingBytes: sizeBytes,
    introKey: resultOf(workflow, voice)?.audioKey,
    recordingSeconds: resultOf(workflow, transcribe)?.durationSeconds,
    audioKey: keyOf(attempt, 'mastered-here.mp3'),
    targetLufs: loudnessTargetOf(workflow),
  }
}

async function putIntroBefore(attempt: EpisodeAttempt, tools: Tools): StepEnded<typeof MasterResult> {
  const { addIntro, masterHere } = await import('../sound/master-here.ts')
  const { replaces } = attempt.workflow
  const sources = hereSources(attempt)
  if (replaces?.steps[master.name]?.fallback !== undefined)
    return { kind: 'degraded', result: await masterHere(attempt, tools, sources), degraded: MASTERED_HERE }
  const mastered = replaces && resultOf(replaces, master)
  if (mastered === undefined) throw new Error('nothing is mastered that an intro could be put before')
  return { kind: 'done', result: await addIntro(attempt, tools, { ...sources, masteredKey: mastered.audioKey }) }
}

async function runProduction(attempt: EpisodeAttempt, tools: Tools): StepEnded<typeof MasterResult> {
  const mastering = providerOf(tools.masterings, attempt)
  const { polls } = jobOf(attempt)
  const id = await findOrCreate(attempt, tools, mastering)
  const made = await mastering.read(id, attempt.call)
  const pollAfterMs = (times: number) => nextPollMs(times, mastering, tools.safetyPollMs)
  switch (made.state) {
    case 'new':
      await mastering.start(id, soundOf(attempt, tools), attempt.call)
      return { kind: 'polling', afterMs: pollAfterMs(0) }
    case 'working':
      return {
        kind: 'polling',
        afterMs: pollAfterMs(polls),
        ...(made.doing !== undefined && { activity: made.doing }),
      }
    case 'failed':
      throw errorOfJob(made)
    case 'done':
      return storeSound(attempt, tools, { mastering, made })
  }
}

async function findOrCreate(attempt: EpisodeAttempt, tools: Tools, mastering: Mastering): Promise<string> {
  const { key, providerJobId } = jobOf(attempt)
  if (providerJobId !== undefined) return providerJobId
  const known = attempt.resumesIntent ? await mastering.find(key, attempt.call) : undefined
  const { id } = known ?? (await create(attempt, tools, mastering))
  await attempt.recordJob({ providerJobId: id })
  return id
}

function create(attempt: EpisodeAttempt, tools: Tools, mastering: Mastering): Promise<{ id: string }> {
  const { workflow } = attempt
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
  const intro = spoken && audioSource(tools, { key: spoken.audioKey, contentType: 'audio/mpeg' })
  return { recording: recordingSource(attempt, tools), intro }
}

async function storeSound(
  attempt: EpisodeAttempt,
  { objects }: Tools,
  { mastering, made }: { mastering: Mastering; made: Extract<MasteringState, { state: 'done' }> },
): StepEnded<typeof MasterResult> {
  const { workflow } = attempt
  const { durationSeconds, cost } = made
  const audioKey = keyOf(attempt, 'mastered.mp3')
  attempt.tell('fetching the mastered audio')
  const audio = await mastering.download(made.result, attempt.call)
  try {
    await objects.create(audioKey, audio, 'audio/mpeg', attempt.signal)
  } catch (error) {
    if (!(error instanceof SourceFailed)) throw error
    throw new ServiceAway(mastering.name, `${mastering.name}: the mastered audio broke off`, error)
  }
  const recordingSeconds = resultOf(workflow, transcribe)?.durationSeconds ?? durationSeconds
  const hasIntro = resultOf(workflow, voice) !== undefined
  const introSeconds = hasIntro ? Math.max(0, durationSeconds - recordingSeconds) : 0
  return { kind: 'done', result: { audioKey, durationSeconds, introSeconds }, cost }
}
