import { resultOf } from '../../engine/definition.ts'
import { StepRefused } from '../../engine/failure.ts'
import { isDamaged } from '../parse-artefact.ts'
import { TRANSCRIPT_UNREADABLE } from '../problems.ts'
import type { Tools } from '../tools.ts'
import { makeOfTranscript } from '../words/long-texts.ts'
import type { MadeOf, TranscriptTask } from '../words/transcript-work.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { logDamage } from './read-artefact.ts'
import { transcribe } from './transcribe.ts'

type Make = Exclude<TranscriptTask['make'], 'transcript'>
type Task<M extends Make> = Omit<Extract<TranscriptTask, { make: M }>, 'text'> & { readonly make: M }

/**
 * What a step makes of the transcript of the recording.
 * @throws StepRefused when the transcript cannot be read: asking again would not help
 */
export async function makeOfHeard<M extends Make>(
  { workflow, signal }: EpisodeAttempt,
  { objects }: Pick<Tools, 'objects'>,
  task: Task<M>,
): Promise<MadeOf[M]> {
  const key = resultOf(workflow, transcribe)?.transcriptKey
  const text = key === undefined ? undefined : await objects.readText(key)
  if (key === undefined || text === undefined) throw new Error('the transcript is not in storage')
  const whole = { ...task, text } as unknown as Extract<TranscriptTask, { make: M }>
  const made = await makeOfTranscript<M>(whole, workflow.userId, signal)
  if (!isDamaged(made)) return made
  logDamage(key, made)
  throw new StepRefused(TRANSCRIPT_UNREADABLE)
}
