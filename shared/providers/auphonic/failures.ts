import type { JobFailure } from '../../podcast/ports.ts'

/** It is the recording that cannot be read, and not a file that could not be fetched, or one that was to be written. */
const NOT_AUDIO = [
  /invalid data found when processing input/i,
  /\b(unknown|unsupported|invalid|unrecogni[sz]ed) (input |audio |media |file )*(format|codec|type)\b/i,
  /\b(not a valid|not an?|no valid) (audio|media|sound)( or video)? ?(file|track|stream)?\b/i,
  /\b(no|without|contain(s)? no|not contain( any)?) audio\b/i,
  /\b(file|recording|audio) (is|seems|appears)( to be)? (corrupt(ed)?|damaged|broken|empty)\b/i,
]
/** What it was to work on did not come, in the words that such sentences have. */
const UNFETCHED =
  /\b(input|source|file|recording|audio)\b.{0,60}\b(not|n't|unable to|failed to) (be )?(download|fetch|retriev|transferr?)|\b(unable to|failed to|could not|cannot) (download|fetch|retrieve)\b/i
const ABOUT_SOMETHING_ELSE = /output|encod|download|transfer|fetch|upload|server|internal|service|temporar|try again/i

/**
 * Why a production failed. Auphonic gives no code, only a sentence, or none: what is not known to be about the recording
 * may be otherwise for another production.
 */
export function classifyFailure(sentence: string): JobFailure['reason'] {
  if (UNFETCHED.test(sentence) && !/output|outgoing/i.test(sentence)) return 'unfetched'
  if (ABOUT_SOMETHING_ELSE.test(sentence)) return 'ended'
  return NOT_AUDIO.some((known) => known.test(sentence)) ? 'not_audio' : 'ended'
}

/** The account's own, whatever was to be mastered: the whole sentence is about credits, and quotes nothing. */
const NO_CREDITS = [
  /^\W{0,3}(you (do not|don't) have )?(not enough|insufficient|too few|no more|no|out of|enough)\b[\w ]{0,30}\bcredits?\b[^"'“]*$/i,
  /^\W{0,3}[\w ]{0,30}\bcredits? (are |is |has been |have been )?(exceeded|exhausted|used up|too low|insufficient|required)\b[^"'“]*$/i,
]

/** Whether a production failed because the account has no credits left. */
export function isForWantOfCredits(sentence: string): boolean {
  return NO_CREDITS.some((known) => known.test(sentence))
}
