import type { JobFailure } from '../../podcast/ports.ts'

/** Why a job failed. AssemblyAI gives no code, only a sentence. */
export function classifyFailure(sentence: string): JobFailure['reason'] {
  if (/server error|internal|download/i.test(sentence)) return 'ended'
  if (/does not appear to contain audio|not.{0,20}audio|transcoding failed|unsupported|corrupt/i.test(sentence))
    return 'not_audio'
  if (/no speech|no spoken audio|language_detection/i.test(sentence)) return 'no_speech'
  return 'refused'
}
