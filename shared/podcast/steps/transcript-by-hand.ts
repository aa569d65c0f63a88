import type { Ended } from '../../engine/attempt.ts'
import { StepRefused } from '../../engine/failure.ts'
import { isDamaged } from '../parse-artefact.ts'
import { HAND_TRANSCRIPT_UNREADABLE, NOT_AUDIO, NOT_MEASURED } from '../problems.ts'
import { NotAudioError, NotMeasuredError } from '../sound/not-audio.ts'
import type { Tools } from '../tools.ts'
import { AUTO, UNDETERMINED } from '../words/language.ts'
import { makeOfTranscript } from '../words/long-texts.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { measureRecording } from './measure-recording.ts'
import { logDamage } from './read-artefact.ts'
import { storeTranscript } from './store-transcript.ts'

type Transcribed = { transcriptKey: string; durationSeconds: number; wordCount: number }

/** The transcript that the owner brought, laid over the recording. */
export async function transcriptByHand(attempt: EpisodeAttempt, { objects }: Tools): Promise<Ended<Transcribed>> {
  const { handTranscript, language: said, userId } = attempt.workflow
  if (handTranscript === undefined) throw new Error('no transcript by hand')
  const text = await objects.readText(handTranscript.key)
  if (text === undefined) throw new Error('the transcript by hand is not in storage')
  const seconds = await measureRecording(attempt, { objects }).catch((error: unknown) => {
    if (error instanceof NotMeasuredError) throw new StepRefused(NOT_MEASURED)
    throw error instanceof NotAudioError ? new StepRefused(NOT_AUDIO) : error
  })
  const language = said === AUTO ? UNDETERMINED : said
  const task = { make: 'transcript', text, durationSeconds: seconds, language } as const
  const made = await makeOfTranscript(task, userId, attempt.signal)
  if (isDamaged(made)) {
    logDamage(handTranscript.key, made)
    throw new StepRefused(HAND_TRANSCRIPT_UNREADABLE)
  }
  const transcriptKey = await storeTranscript(attempt, { objects }, made.json)
  return {
    kind: 'done',
    by: 'hand',
    result: { transcriptKey, durationSeconds: seconds, wordCount: made.wordCount },
    degraded: handTranscript.timed
      ? 'The transcript is the one given by hand.'
      : 'The transcript is the one given by hand; the times of its words are estimated.',
  }
}
