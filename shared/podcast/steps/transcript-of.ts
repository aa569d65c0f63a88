import { resultOf } from '../../engine/definition.ts'
import type { Tools } from '../tools.ts'
import { Transcript } from '../words/transcript.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { transcribe } from './transcribe.ts'

/** The stored transcript of the recording. */
export async function transcriptOf({ workflow }: EpisodeAttempt, { objects }: Tools): Promise<Transcript> {
  const key = resultOf(workflow, transcribe)?.transcriptKey
  const text = key === undefined ? undefined : await objects.readText(key)
  if (text === undefined) throw new Error('the transcript is not in storage')
  return Transcript.parse(JSON.parse(text))
}
