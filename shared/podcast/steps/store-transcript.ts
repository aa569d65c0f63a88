import type { Receipt } from '../../engine/outcome.ts'
import type { Tools } from '../tools.ts'
import { keysOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { storePaid } from './store-paid.ts'

export const TRANSCRIPT = 'transcript.json'
const keyOf = keysOf([TRANSCRIPT])

export function transcriptKeyOf(attempt: EpisodeAttempt): string {
  return keyOf(attempt, TRANSCRIPT)
}

/**
 * Stores the transcript of the recording.
 * @param json as the steps after this one read it
 * @param receipt of the call that heard it, where one was charged
 * @returns its key
 */
export async function storeTranscript(
  attempt: EpisodeAttempt,
  { objects }: Pick<Tools, 'objects'>,
  json: string,
  receipt?: Receipt,
): Promise<string> {
  const key = transcriptKeyOf(attempt)
  await storePaid(attempt, { objects }, { key, content: json, receipt }, 'application/json')
  return key
}
