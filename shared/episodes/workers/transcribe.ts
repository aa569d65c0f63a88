import type { TranscriptState } from '../../podcast/ports.ts'
import { artefactKey } from '../artefacts.ts'
import type { Outcome } from '../machine.ts'
import type { Transcript } from '../transcript.ts'
import { noSpeech } from './faults.ts'
import { transcriptByHand } from './transcript-by-hand.ts'
import { firstOf, jobOf, nextPollMs, outcomeOfJobFailure, recordingOf, safetyPollMsOf, webhookTarget } from './work.ts'
import type { StepWork, Work } from './work.ts'

/**
 * Recording to words with times: those its owner brought, else a transcriber's. The job is charged, so it is created
 * once and looked for before it is created again.
 */
export const transcribe: StepWork = {
  run: (work) => (work.episode.handTranscript === undefined ? transcribeRecording(work) : transcriptByHand(work)),
}

async function transcribeRecording(work: Work): Promise<Outcome> {
  const { transcribers, now } = work.dependencies
  const transcriber = firstOf(transcribers)
  const job = jobOf(work.step)
  const pollAgain = (polls: number): Outcome => ({
    kind: 'polling',
    nextCheckAtMs: now() + nextPollMs(polls, safetyPollMsOf(work, transcriber)),
  })

  let jobId = job.providerJobId
  if (jobId === undefined && work.resumesIntent) {
    const known = await transcriber.find({ key: job.key, uploadedTo: job.inputUrl }, work.call)
    if (known) await work.noteJob({ providerJobId: (jobId = known.id) })
  }
  if (jobId === undefined) {
    await work.noteJob({ providerJobId: await submitJob(work) })
    return pollAgain(0)
  }
  const jobState = await transcriber.read(jobId, work.call)
  switch (jobState.state) {
    case 'working':
      return { ...pollAgain(job.polls), ...(jobState.doing !== undefined && { doing: jobState.doing }) }
    case 'failed':
      return outcomeOfJobFailure(jobState)
    case 'done':
      return storeTranscript(work, transcriber.name, jobState)
  }
}

async function submitJob(work: Work): Promise<string> {
  const transcriber = firstOf(work.dependencies.transcribers)
  const { key, inputUrl } = jobOf(work.step)
  const { id } = await transcriber.submit(
    {
      jobKey: key,
      language: work.episode.language,
      recording: recordingOf(work),
      webhook: webhookTarget(work, transcriber.name),
      uploadedTo: inputUrl,
      rememberUpload: (uploadedTo) => work.noteJob({ inputUrl: uploadedTo }),
    },
    work.call,
  )
  return id
}

async function storeTranscript(
  work: Work,
  provider: string,
  done: Extract<TranscriptState, { state: 'done' }>,
): Promise<Outcome> {
  const { durationSeconds, text, words, cost } = done
  if (words.length === 0) return { kind: 'failed', fault: noSpeech() }
  const { id, generation, language } = work.episode
  const transcript: Transcript = { language: done.language ?? language, durationSeconds, text, words: [...words] }
  const transcriptKey = artefactKey(id, generation, 'transcript.json')
  await work.dependencies.objects.create(transcriptKey, JSON.stringify(transcript), 'application/json', work.signal)
  return {
    kind: 'done',
    results: { transcribe: { transcriptKey, durationSeconds, wordCount: words.length } },
    charge: { provider, cost },
  }
}
