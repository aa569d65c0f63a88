import type { Tools } from '../tools.ts'
import { keyOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'

/**
 * Stores the transcript of the recording.
 * @param json as the steps after this one read it
 * @returns its key
 */
export async function storeTranscript(
  attempt: EpisodeAttempt,
  { objects }: Pick<Tools, 'objects'>,
  json: string,
): Promise<string> {
  const key = keyOf(attempt, 'transcript.json')
  await objects.create(key, json, 'application/json', attempt.signal)
  return key
}
