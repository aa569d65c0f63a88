import { resultOf } from '../../engine/definition.ts'
import { StepRefused } from '../../engine/failure.ts'
import { TRANSCRIPT_UNREADABLE } from '../problems.ts'
import type { Tools } from '../tools.ts'
import { Transcript } from '../words/transcript.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { readArtefact } from './read-artefact.ts'
import { transcribe } from './transcribe.ts'

/** The stored transcript of the recording. @throws StepRefused when it cannot be read: asking again would not help */
export async function transcriptOf({ workflow }: EpisodeAttempt, { objects }: Tools): Promise<Transcript> {
  const key = resultOf(workflow, transcribe)?.transcriptKey
  const text = key === undefined ? undefined : await objects.readText(key)
  if (text === undefined) throw new Error('the transcript is not in storage')
  const transcript = readArtefact(Transcript, key ?? '', text)
  if (transcript === undefined) throw new StepRefused(TRANSCRIPT_UNREADABLE)
  return transcript
}
