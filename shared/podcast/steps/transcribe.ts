import * as z from 'zod'

import { jobOf } from '../../engine/attempt.ts'
import { StepRefused } from '../../engine/failure.ts'
import type { Receipt } from '../../engine/outcome.ts'
import type { CallTranscriber, JobTranscriber, Transcribed } from '../ports.ts'
import { NO_SPEECH } from '../problems.ts'
import { unlessNotAudio } from '../sound/not-audio.ts'
import { secondsPackedMax } from '../sound/plausible-length.ts'
import { nextPollMs, providerOf } from '../tools.ts'
import type { Tools } from '../tools.ts'
import { isDamaged } from '../parse-artefact.ts'
import { makeOfTranscript } from '../words/long-texts.ts'
import type { Summary } from '../words/transcript-work.ts'
import { defineStep, recordingOf, recordingSource, webhookTarget } from './define-step.ts'
import type { EpisodeAttempt, StepEnded } from './define-step.ts'
import { measureRecording } from './measure-recording.ts'
import { requireInTime, workMs } from './overdue-job.ts'
import { logDamage } from './read-artefact.ts'
import { receiptOf } from '../receipts.ts'
import { storeTranscript, TRANSCRIPT, transcriptKeyOf } from './store-transcript.ts'
import { transcriptByHand } from './transcript-by-hand.ts'
import { errorOfJob, explainFetch, requireStorage } from './unfetched.ts'

const TranscribeResult = z.looseObject({
  transcriptKey: z.string(),
  durationSeconds: z.number(),
  wordCount: z.number(),
  /** BCP 47, of the transcript. */
  language: z.string().optional(),
})

/**
 * Recording to words with times: those its owner brought, else a transcription's. Transcriptions are charged: a job is
 * created once and looked for before it is created again, and what a call has answered is stored before anything else.
 */
export const transcribe = defineStep({
  name: 'transcribe',
  after: [],
  redoneWith: [],
  kind: 'job',
  port: 'transcribers',
  suits: ({ language }, provider) => !('takes' in provider) || provider.takes(language),
  share: 0.35,
  stores: [TRANSCRIPT],
  words: { makes: 'words with times', purpose: 'Recording to words with times' },
  worker: { maxDispatchesPerSecond: 20, maxConcurrentDispatches: 40 },
  result: TranscribeResult,
  needsProvider: ({ handTranscript }) => handTranscript === undefined,

  /** A job has its result at the provider; what a call has answered is only here. */
  async adopt(attempt, { objects, transcribers }) {
    if (attempt.workflow.handTranscript !== undefined) return undefined
    if (providerOf(transcribers, attempt).kind === 'job') return undefined
    const transcriptKey = transcriptKeyOf(attempt)
    const text = await objects.readText(transcriptKey)
    if (text === undefined) return undefined
    const { userId } = attempt.workflow
    const earlier = await makeOfTranscript({ make: 'summary', text }, userId, attempt.signal)
    if (isDamaged(earlier)) {
      logDamage(transcriptKey, earlier)
      return undefined
    }
    const stored = await objects.stat(transcriptKey)
    return { result: describe(transcriptKey, earlier), receipt: stored && receiptOf(stored) }
  },

  run(attempt, tools) {
    if (attempt.workflow.handTranscript !== undefined) return transcriptByHand(attempt, tools)
    const transcriber = providerOf(tools.transcribers, attempt)
    return transcriber.kind === 'job' ? runJob(attempt, tools, transcriber) : runCall(attempt, tools, transcriber)
  },
})

async function runCall(
  attempt: EpisodeAttempt,
  tools: Tools,
  transcriber: CallTranscriber,
): StepEnded<typeof TranscribeResult> {
  // Read before it is paid for: where storage is away, what was heard could not be kept.
  const measuredSeconds = await unlessNotAudio(measureRecording(attempt, tools))
  const request = { language: attempt.workflow.language, recording: recordingSource(attempt, tools) }
  const heard = await transcriber.transcribe(request, attempt.call).catch(async (error: unknown) => {
    throw await explainFetch(error, attempt, tools)
  })
  const receipt = attempt.charge(heard.cost)
  return { kind: 'done', result: await storeWords(attempt, tools, { heard, measuredSeconds, receipt }) }
}

async function runJob(
  attempt: EpisodeAttempt,
  tools: Tools,
  transcriber: JobTranscriber,
): StepEnded<typeof TranscribeResult> {
  const job = jobOf(attempt)
  const jobId = job.providerJobId ?? (await findJob(attempt, transcriber))
  if (jobId === undefined) {
    await submit(attempt, transcriber, tools)
    return { kind: 'polling', afterMs: nextPollMs(0, transcriber, tools.safetyPollMs) }
  }
  const state = await transcriber.read(jobId, attempt.call)
  switch (state.state) {
    case 'working': {
      const dueInMs = await awaitInTime(attempt, tools, state.doing)
      return {
        kind: 'polling',
        afterMs: Math.min(dueInMs, nextPollMs(job.polls, transcriber, tools.safetyPollMs)),
        ...(state.doing !== undefined && { activity: state.doing }),
      }
    }
    case 'failed':
      throw await errorOfJob(state, attempt, tools)
    case 'done': {
      const measuredSeconds = await unlessNotAudio(measureRecording(attempt, tools))
      const result = await storeWords(attempt, tools, { heard: state, measuredSeconds })
      return { kind: 'done', result, cost: state.cost }
    }
  }
}

/**
 * Vendors publish a hundredth of the recording's length: 35 s for an hour of audio, 130 s for three and a quarter. Ten times
 * as much is no slow day any more.
 */
const WORK_TIME = { msMin: 60_000, shareOfLength: 0.1 }

/**
 * Measures the recording only for a job that takes longer than the shortest would.
 * @returns in how many ms the job should have ended @throws ServiceAway once it should have
 */
async function awaitInTime(attempt: EpisodeAttempt, tools: Tools, doing: string | undefined): Promise<number> {
  const job = jobOf(attempt)
  const nowMs = attempt.nowMs()
  const { sinceMs = nowMs } = job
  if (job.sinceMs === undefined) await attempt.recordJob({ sinceMs })
  if (nowMs - sinceMs < WORK_TIME.msMin) return WORK_TIME.msMin - (nowMs - sinceMs)
  const known = job.workMs ?? (await measureWork(attempt, tools))
  if (known === undefined) return WORK_TIME.msMin
  if (job.workMs === undefined) await attempt.recordJob({ workMs: known })
  return requireInTime(attempt, { sinceMs, workMs: known, doing })
}

/** Undefined while storage is away: the job is only waited for, and what it gives is what counts. */
async function measureWork(attempt: EpisodeAttempt, tools: Tools): Promise<number | undefined> {
  try {
    const seconds = await unlessNotAudio(measureRecording(attempt, tools))
    return workMs(WORK_TIME, seconds ?? 0)
  } catch {
    attempt.signal.throwIfAborted()
    return undefined
  }
}

/** A job that an earlier attempt has made, and did not live to record. */
async function findJob(attempt: EpisodeAttempt, transcriber: JobTranscriber): Promise<string | undefined> {
  if (!attempt.resumesIntent) return undefined
  const { key, uploadedTo } = jobOf(attempt)
  // The job may be of an earlier generation, and is no older than its episode.
  const { createdAtMs: sinceMs } = attempt.workflow
  const known = await transcriber.find({ key, uploadedTo, sinceMs }, attempt.call)
  if (known !== undefined) await attempt.recordJob({ providerJobId: known.id })
  return known?.id
}

async function submit(attempt: EpisodeAttempt, transcriber: JobTranscriber, tools: Tools): Promise<void> {
  const { key, uploadedTo } = jobOf(attempt)
  await requireStorage(attempt, tools)
  const { id } = await transcriber.submit(
    {
      jobKey: key,
      language: attempt.workflow.language,
      recording: recordingSource(attempt, tools),
      webhook: webhookTarget(attempt, tools),
      uploadedTo,
      rememberUpload: (to) => attempt.recordJob({ uploadedTo: to }),
    },
    attempt.call,
  )
  await attempt.recordJob({ providerJobId: id, sinceMs: attempt.nowMs() })
}

async function storeWords(
  attempt: EpisodeAttempt,
  { objects }: Tools,
  { heard, measuredSeconds, receipt }: { heard: Transcribed; measuredSeconds: number | undefined; receipt?: Receipt },
): Promise<z.infer<typeof TranscribeResult>> {
  const { userId, language } = attempt.workflow
  const secondsMax = secondsPackedMax(recordingOf(attempt).sizeBytes ?? Infinity)
  const text = 'json' in heard ? heard.json : JSON.stringify(heard)
  const task = { make: 'heard', text, language, measuredSeconds, secondsMax } as const
  const made = await makeOfTranscript(task, userId, attempt.signal)
  if (isDamaged(made)) throw new Error('what was heard is not what its provider has read')
  if (made.json === undefined) throw new StepRefused(NO_SPEECH)
  const transcriptKey = await storeTranscript(attempt, { objects }, made.json, receipt)
  return describe(transcriptKey, made.summary)
}

function describe(transcriptKey: string, summary: Summary) {
  return { transcriptKey, ...summary }
}
