import type { JobFailure } from '../../podcast/ports.ts'

/**
 * Sentences that are known to be about the recording. AssemblyAI gives no code, only words, and says of an upload that it
 * lost and of a link that it could not read things that mention audio as well: what is not known here may pass.
 */
const ABOUT_RECORDING: readonly (readonly [RegExp, JobFailure['reason']])[] = [
  [/does not (appear to )?contain (any )?audio|no audio stream/i, 'not_audio'],
  [/no spoken audio|no speech|does not contain (any )?speech|language_detection/i, 'no_speech'],
  [/duration is too (short|long)|audio is too (short|long)/i, 'refused'],
]
/** It could not fetch the recording, wherever that was. */
const UNFETCHED = /^download (error|failed)|unable to download/i
/** Before the rest: what could not be fetched is sometimes described as what could not be read. */
const ON_THE_WAY = /^(upload|server) (error|failed)|internal (server )?error/i

/** Why a job failed; `ended` for every sentence that is not known to be about the recording. */
export function classifyFailure(sentence: string): JobFailure['reason'] {
  if (UNFETCHED.test(sentence)) return 'unfetched'
  if (ON_THE_WAY.test(sentence)) return 'ended'
  return ABOUT_RECORDING.find(([words]) => words.test(sentence))?.[1] ?? 'ended'
}
