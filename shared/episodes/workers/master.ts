import { Readable } from 'node:stream'

import type { ProductionState } from '../../providers/auphonic.ts'
import { artefactKey } from '../artefacts.ts'
import type { Outcome } from '../machine.ts'
import { notAudio, rejected } from './faults.ts'
import { addIntro, masterHere } from './master-here.ts'
import { hookUrl, JobEnded, jobOf, loudnessTargetOf, nextPollMs } from './work.ts'
import type { StepWork, Work } from './work.ts'

const SOURCE_URL_SECONDS = 24 * 3600

/**
 * Recording and intro to one mastered mp3. Creating a production is free and starting it is charged: it is created
 * under a name of ours, recorded, and started only when the provider says that it has not been.
 */
export const master: StepWork = {
  run: (work) => (work.episode.replaces?.step === 'voice' ? addIntro(work) : production(work)),
  fallBack: masterHere,
}

async function production(work: Work): Promise<Outcome> {
  const { config, auphonic, now } = work.needs
  const safetyPollMs = config.providers.auphonic.canReachHooks ? config.safetyPollMs : undefined
  const job = jobOf(work.step)

  let uuid = job.providerJobId
  if (uuid === undefined) {
    const known = work.resumesIntent ? await auphonic.find(job.key, work.call) : undefined
    uuid = (known ?? (await create(work))).uuid
    await work.noteJob({ providerJobId: uuid })
  }
  const made = await auphonic.read(uuid, work.call)
  switch (made.state) {
    case 'new':
      await sendBytes(work, uuid)
      await auphonic.start(uuid, work.call)
      return { kind: 'polling', nextCheckAtMs: now() + nextPollMs(0, safetyPollMs) }
    case 'running':
      return { kind: 'polling', nextCheckAtMs: now() + nextPollMs(job.polls, safetyPollMs), doing: made.doing }
    case 'failed':
      // Before the rest: a recording that could not be fetched is described as one that could not be read.
      if (/download|transfer|internal|server error/i.test(made.message)) throw new JobEnded(made.message)
      return {
        kind: 'failed',
        fault: /audio|format|codec/i.test(made.message) ? notAudio() : rejected(made.message),
      }
    case 'done':
      return store(work, made)
  }
}

async function create(work: Work): Promise<{ uuid: string }> {
  const { config, auphonic, objects } = work.needs
  const { audio, title, results } = work.episode
  const { canReachStorage, canReachHooks } = config.providers.auphonic
  const job = jobOf(work.step)
  const link = (key: string, generation?: string) =>
    objects.signedRead(key, { seconds: SOURCE_URL_SECONDS, ...(generation !== undefined && { generation }) })
  return auphonic.create(
    {
      name: job.key,
      title: results.write?.notes.title ?? title,
      loudnessTarget: loudnessTargetOf(work.episode),
      ...(canReachHooks && { webhookUrl: hookUrl(work, 'hooks-auphonic', job.hookToken) }),
      ...(canReachStorage && audio && { inputUrl: await link(audio.key, audio.objectGeneration) }),
      ...(canReachStorage && results.voice && { introUrl: await link(results.voice.audioKey) }),
    },
    work.call,
  )
}

/** For a provider that cannot fetch from our storage. */
async function sendBytes(work: Work, uuid: string): Promise<void> {
  const { config, auphonic, objects } = work.needs
  if (config.providers.auphonic.canReachStorage) return
  const { audio, results } = work.episode
  if (audio) await auphonic.upload(uuid, 'input_file', await blobOf(audio.key), 'recording', work.call)
  if (results.voice) await auphonic.upload(uuid, 'intro', await blobOf(results.voice.audioKey), 'intro.mp3', work.call)

  async function blobOf(key: string): Promise<Blob> {
    return new Response(Readable.toWeb(await objects.readStream(key)) as ReadableStream).blob()
  }
}

async function store(work: Work, made: Extract<ProductionState, { state: 'done' }>): Promise<Outcome> {
  const { objects, auphonic } = work.needs
  const { id, generation, results } = work.episode
  const audioKey = artefactKey(id, generation, 'mastered.mp3')
  work.at('fetching the mastered audio')
  const audio = await auphonic.download(made.downloadUrl, work.call)
  await objects.create(audioKey, audio, 'audio/mpeg', work.signal)
  const { durationSeconds, creditHours } = made
  const recordingSeconds = results.transcribe?.durationSeconds ?? durationSeconds
  const introSeconds = results.voice ? Math.max(0, durationSeconds - recordingSeconds) : 0
  return {
    kind: 'done',
    results: { master: { audioKey, durationSeconds, introSeconds } },
    cost: { productions: 1, audioSeconds: durationSeconds, ...(creditHours !== undefined && { creditHours }) },
  }
}
