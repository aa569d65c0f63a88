import { durationSeconds } from '../../audio/duration.ts'
import { NotAudioError } from '../../audio/not-audio.ts'
import { artefactKey } from '../artefacts.ts'
import { HandTranscript, transcriptFrom } from '../hand-transcript.ts'
import type { Outcome } from '../machine.ts'
import { notAudio } from './faults.ts'
import type { Work } from './work.ts'

/** The transcript that the owner brought, laid over the recording. */
export async function transcriptByHand(work: Work): Promise<Outcome> {
  const { objects } = work.dependencies
  const { id, generation, audio, handTranscript, language } = work.episode
  if (audio === undefined || handTranscript === undefined) throw new Error('no recording, or no transcript by hand')
  const text = await objects.readText(handTranscript.key)
  if (text === undefined) throw new Error('the transcript by hand is not in storage')
  let seconds: number
  try {
    seconds = await durationSeconds(await objects.readStream(audio.key), audio.contentType, audio.sizeBytes)
  } catch (error) {
    if (error instanceof NotAudioError) return { kind: 'failed', fault: notAudio() }
    throw error
  }
  const transcript = transcriptFrom(HandTranscript.parse(JSON.parse(text)), seconds, language)
  const transcriptKey = artefactKey(id, generation, 'transcript.json')
  await objects.create(transcriptKey, JSON.stringify(transcript), 'application/json', work.signal)
  const wordCount = transcript.words.length
  return {
    kind: 'done',
    results: { transcribe: { transcriptKey, durationSeconds: seconds, wordCount } },
    degraded: handTranscript.timed
      ? 'The transcript is the one given by hand.'
      : 'The transcript is the one given by hand; the times of its words are estimated.',
  }
}
