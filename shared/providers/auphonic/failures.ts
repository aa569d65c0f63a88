import type { JobFailure } from '../../podcast/ports.ts'

/** Why a production failed. Auphonic gives no code, only a sentence. */
export function classifyFailure(sentence: string): JobFailure['reason'] {
  // Before the rest: a recording that could not be fetched is described as one that could not be read.
  if (/download|transfer|internal|server error/i.test(sentence)) return 'ended'
  return /audio|format|codec/i.test(sentence) ? 'not_audio' : 'refused'
}
