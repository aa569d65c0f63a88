import type { TranscriptJob } from '../../providers/assemblyai.ts'
import { artefactKey } from '../artefacts.ts'
import type { Outcome } from '../machine.ts'
import type { EpisodeFault } from '../schema.ts'
import type { Transcript } from '../transcript.ts'
import { noSpeech, notAudio, rejected } from './faults.ts'
import { transcriptByHand } from './transcript-by-hand.ts'
import { hookUrl, JobEnded, jobOf, nextPollMs } from './work.ts'
import type { StepWork, Work } from './work.ts'

/** The header in which AssemblyAI hands our per-attempt token back to us. */
export const HOOK_TOKEN_HEADER = 'X-Steadycast-Hook-Token'
const SOURCE_URL_SECONDS = 24 * 3600
/** Names the job inside the URL the provider fetches, so that it can be found again in the provider's own list. */
const JOB_PARAMETER = 'job'

/**
 * Recording to words with times: those its owner brought, else a transcription's. The job is charged, so it is created
 * once and looked for before it is created again.
 */
export const transcribe: StepWork = {
  run: (work) => (work.episode.handTranscript === undefined ? transcription(work) : transcriptByHand(work)),
}

async function transcription(work: Work): Promise<Outcome> {
  const { config, assemblyAi, now } = work.needs
  const provider = config.providers.assemblyai
  const job = jobOf(work.step)
  const pollAgain = (polls: number): Outcome => ({
    kind: 'polling',
    nextCheckAtMs: now() + nextPollMs(polls, provider.canReachHooks ? config.safetyPollMs : undefined),
  })

  let jobId = job.providerJobId
  if (jobId === undefined && work.resumesIntent) {
    const known = await assemblyAi.find((url) => url === job.inputUrl || namesJob(url, job.key), work.call)
    if (known) await work.noteJob({ providerJobId: (jobId = known.id) })
  }
  if (jobId === undefined) {
    await work.noteJob({ providerJobId: await submit(work) })
    return pollAgain(0)
  }
  const state = await assemblyAi.read(jobId, work.call)
  if (state.status === 'queued' || state.status === 'processing') return pollAgain(job.polls)
  if (state.status === 'error') return { kind: 'failed', fault: jobFault(state.error) }
  return store(work, state)
}

async function submit(work: Work): Promise<string> {
  const { config, assemblyAi } = work.needs
  const { canReachStorage, canReachHooks } = config.providers.assemblyai
  const job = jobOf(work.step)
  const { id } = await assemblyAi.submit(
    {
      audioUrl: canReachStorage ? await sourceUrl(work) : await uploadedUrl(work),
      language: work.episode.language,
      ...(canReachHooks && {
        webhook: { url: hookUrl(work, 'hooks-assemblyai'), header: HOOK_TOKEN_HEADER, secret: job.hookToken },
      }),
    },
    work.call,
  )
  return id
}

async function sourceUrl(work: Work): Promise<string> {
  const { audio } = work.episode
  if (audio === undefined) throw new Error('an episode in processing without audio')
  return work.needs.objects.signedRead(audio.key, {
    seconds: SOURCE_URL_SECONDS,
    query: { [JOB_PARAMETER]: jobOf(work.step).key },
    ...(audio.objectGeneration !== undefined && { generation: audio.objectGeneration }),
  })
}

/** The audio as bytes, for a provider that cannot reach our storage; uploaded once, remembered before it is used. */
async function uploadedUrl(work: Work): Promise<string> {
  const known = jobOf(work.step).inputUrl
  if (known !== undefined) return known
  const { audio } = work.episode
  if (audio === undefined) throw new Error('an episode in processing without audio')
  const inputUrl = await work.needs.assemblyAi.upload(await work.needs.objects.readStream(audio.key), work.call)
  await work.noteJob({ inputUrl })
  return inputUrl
}

function namesJob(url: string, key: string): boolean {
  return URL.canParse(url) && new URL(url).searchParams.get(JOB_PARAMETER) === key
}

async function store(work: Work, job: Extract<TranscriptJob, { status: 'completed' }>): Promise<Outcome> {
  const words = (job.words ?? []).map(({ text, start, end, speaker }) => ({
    text,
    startMs: Math.round(start),
    endMs: Math.round(Math.max(start, end)),
    ...(speaker != null && { speaker }),
  }))
  if (words.length === 0) return { kind: 'failed', fault: noSpeech() }
  const transcript: Transcript = {
    language: job.language_code ?? work.episode.language,
    durationSeconds: job.audio_duration,
    text: job.text ?? words.map(({ text }) => text).join(' '),
    words,
  }
  const transcriptKey = artefactKey(work.episode.id, work.episode.generation, 'transcript.json')
  await work.needs.objects.create(transcriptKey, JSON.stringify(transcript), 'application/json', work.signal)
  return {
    kind: 'done',
    results: { transcribe: { transcriptKey, durationSeconds: job.audio_duration, wordCount: words.length } },
    cost: { jobs: 1, audioSeconds: job.audio_duration },
  }
}

/** AssemblyAI gives no code for a failed job, only a sentence. @throws JobEnded when another job may succeed */
function jobFault(sentence: string): EpisodeFault {
  if (/server error|internal|download/i.test(sentence)) throw new JobEnded(sentence)
  if (/does not appear to contain audio|not.{0,20}audio|transcoding failed|unsupported|corrupt/i.test(sentence))
    return notAudio()
  if (/no speech|no spoken audio|language_detection/i.test(sentence)) return noSpeech()
  return rejected(sentence)
}
