import * as z from 'zod'

import { jobOf } from '../../engine/attempt.ts'
import { StepRefused } from '../../engine/failure.ts'
import type { Transcriber, TranscriptState } from '../ports.ts'
import { NO_SPEECH } from '../problems.ts'
import { nextPollMs, providerOf } from '../tools.ts'
import type { Tools } from '../tools.ts'
import type { Transcript } from '../words/transcript.ts'
import { defineStep, errorOfJob, recordingSource, webhookTarget } from './define-step.ts'
import type { EpisodeAttempt, StepEnded } from './define-step.ts'
import { storeTranscript } from './store-transcript.ts'
import { transcriptByHand } from './transcript-by-hand.ts'

const TranscribeResult = z.looseObject({
  transcriptKey: z.string(),
  durationSeconds: z.number(),
  wordCount: z.number(),
})

/**
 * Recording to words with times: those its owner brought, else a transcription's. The job is charged, so it is created
 * once and looked for before it is created again.
 */
export const transcribe = defineStep({
  name: 'transcribe',
  after: [],
  redoneWith: [],
  kind: 'job',
  port: 'transcribers',
  share: 0.35,
  words: { makes: 'words with times', purpose: 'Recording to words with times' },
  worker: { maxDispatchesPerSecond: 20, maxConcurrentDispatches: 40 },
  result: TranscribeResult,
  needsProvider: ({ handTranscript }) => handTranscript === undefined,
  run: (attempt, tools) =>
    attempt.workflow.handTranscript === undefined ? runTranscription(attempt, tools) : transcriptByHand(attempt, tools),
})

async function runTranscription(attempt: EpisodeAttempt, tools: Tools): StepEnded<typeof TranscribeResult> {
  const transcriber = providerOf(tools.transcribers, attempt)
  const job = jobOf(attempt)
  const jobId = job.providerJobId ?? (await findJob(attempt, transcriber))
  if (jobId === undefined) {
    await submit(attempt, transcriber, tools)
    return { kind: 'polling', afterMs: nextPollMs(0, transcriber, tools.safetyPollMs) }
  }
  const state = await transcriber.read(jobId, attempt.call)
  switch (state.state) {
    case 'working':
      return {
        kind: 'polling',
        afterMs: nextPollMs(job.polls, transcriber, tools.safetyPollMs),
        ...(state.doing !== undefined && { activity: state.doing }),
      }
    case 'failed':
      throw errorOfJob(state)
    case 'done':
      return storeWords(attempt, tools, state)
  }
}

/** A job that an earlier attempt has made, and did not live to record. */
async function findJob(attempt: EpisodeAttempt, transcriber: Transcriber): Promise<string | undefined> {
  if (!attempt.resumesIntent) return undefined
  const { key, uploadedTo } = jobOf(attempt)
  const known = await transcriber.find({ key, uploadedTo }, attempt.call)
  if (known !== undefined) await attempt.recordJob({ providerJobId: known.id })
  return known?.id
}

async function submit(attempt: EpisodeAttempt, transcriber: Transcriber, tools: Tools): Promise<void> {
  const { key, uploadedTo } = jobOf(attempt)
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
  await attempt.recordJob({ providerJobId: id })
}

async function storeWords(
  attempt: EpisodeAttempt,
  { objects }: Tools,
  { language, durationSeconds, text, words, cost }: Extract<TranscriptState, { state: 'done' }>,
): StepEnded<typeof TranscribeResult> {
  if (words.length === 0) throw new StepRefused(NO_SPEECH)
  const transcript: Transcript = {
    language: language ?? attempt.workflow.language,
    durationSeconds,
    text,
    words: [...words],
  }
  const transcriptKey = await storeTranscript(attempt, { objects }, transcript)
  return { kind: 'done', result: { transcriptKey, durationSeconds, wordCount: words.length }, cost }
}
