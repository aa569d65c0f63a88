import type { MasteringState } from '../../podcast/ports.ts'
import { artefactKey } from '../artefacts.ts'
import type { Outcome } from '../machine.ts'
import { addIntro, masterHere } from './master-here.ts'
import {
  firstOf,
  jobOf,
  loudnessTargetOf,
  nextPollMs,
  outcomeOfJobFailure,
  recordingOf,
  safetyPollMsOf,
  sourceOf,
  webhookTarget,
} from './work.ts'
import type { StepWork, Work } from './work.ts'

const INTRO_TYPE = 'audio/mpeg'

/**
 * Recording and intro to one mastered mp3. Creating a production is free and starting it is charged: it is created
 * under a name of ours, recorded, and started only when the provider says that it has not been.
 */
export const master: StepWork = {
  run: (work) => (work.episode.replaces?.step === 'voice' ? addIntro(work) : produce(work)),
  fallBack: masterHere,
}

async function produce(work: Work): Promise<Outcome> {
  const { masterings, now } = work.dependencies
  const mastering = firstOf(masterings)
  const safetyPollMs = safetyPollMsOf(work, mastering)
  const job = jobOf(work.step)

  let id = job.providerJobId
  if (id === undefined) {
    const known = work.resumesIntent ? await mastering.find(job.key, work.call) : undefined
    id = (known ?? (await create(work))).id
    await work.noteJob({ providerJobId: id })
  }
  const production = await mastering.read(id, work.call)
  switch (production.state) {
    case 'new':
      await mastering.start(id, soundsOf(work), work.call)
      return { kind: 'polling', nextCheckAtMs: now() + nextPollMs(0, safetyPollMs) }
    case 'working': {
      const { doing } = production
      const nextCheckAtMs = now() + nextPollMs(job.polls, safetyPollMs)
      return { kind: 'polling', nextCheckAtMs, ...(doing !== undefined && { doing }) }
    }
    case 'failed':
      return outcomeOfJobFailure(production)
    case 'done':
      return storeMastered(work, production)
  }
}

async function create(work: Work): Promise<{ id: string }> {
  const mastering = firstOf(work.dependencies.masterings)
  const { title, results } = work.episode
  return mastering.create(
    {
      jobKey: jobOf(work.step).key,
      title: results.write?.notes.title ?? title,
      loudnessTarget: loudnessTargetOf(work.episode),
      ...soundsOf(work),
      webhook: webhookTarget(work, mastering.name),
    },
    work.call,
  )
}

function soundsOf(work: Work) {
  const { voice } = work.episode.results
  const intro = voice && sourceOf(work, { key: voice.audioKey, contentType: INTRO_TYPE })
  return { recording: recordingOf(work), intro }
}

async function storeMastered(work: Work, done: Extract<MasteringState, { state: 'done' }>): Promise<Outcome> {
  const { objects, masterings } = work.dependencies
  const mastering = firstOf(masterings)
  const { id, generation, results } = work.episode
  const audioKey = artefactKey(id, generation, 'mastered.mp3')
  work.at('fetching the mastered audio')
  const audio = await mastering.download(done.result, work.call)
  await objects.create(audioKey, audio, 'audio/mpeg', work.signal)
  const { durationSeconds, cost } = done
  const recordingSeconds = results.transcribe?.durationSeconds ?? durationSeconds
  const introSeconds = results.voice ? Math.max(0, durationSeconds - recordingSeconds) : 0
  return {
    kind: 'done',
    results: { master: { audioKey, durationSeconds, introSeconds } },
    charge: { provider: mastering.name, cost },
  }
}
