import type { Tools } from '../tools.ts'
import { Transcript } from '../words/transcript.ts'
import { keyOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { storePaid } from './store-paid.ts'

/**
 * Stores the transcript of the recording, as the steps after this one will read it.
 * @returns its key
 * @throws ZodError when they could not
 */
export async function storeTranscript(
  attempt: EpisodeAttempt,
  { objects }: Pick<Tools, 'objects'>,
  transcript: Transcript,
): Promise<string> {
  const key = keyOf(attempt, 'transcript.json')
  const readable = Transcript.parse(transcript)
  await storePaid(attempt, { objects }, { key, content: JSON.stringify(readable) }, 'application/json')
  return key
}
