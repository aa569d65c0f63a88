import * as z from 'zod'

import type { Explain } from '../definition.ts'
import { parseJson } from '../parse-json.ts'

const Refusal = z.object({
  error_message: z.string().nullish().catch(undefined),
  form_errors: z.unknown().optional(),
})

const WORDS_CHARS_MAX = 300
/** The account's own, and not a word of somebody's title. */
const NO_CREDITS =
  /\b(not enough|insufficient|too few|no more|no|out of|exceed(s|ed)?|negative)\b.{0,30}\bcredits?\b|\bcredits?\b.{0,30}\b(exceeded|exhausted|used up|too low|insufficient|required)\b/i
/** What differs from one episode to the next; any other field is filled as we are set up to. */
const FIELDS_OF_ONE_EPISODE = /\b(metadata|title|input_file|multi_input_files|intro|loudnesstarget|output_basename)\b/i
const FIELDS_OF_OURS = /\b(algorithms?|output_files?|bitrate|format|ending|preset|webhook|service)\b/i
const UNKNOWN_FIELD =
  /\b(unknown|unexpected|unrecogni[sz]ed|no such|not an? (known|allowed)) (field|parameter|key|property|argument)/i

/** Reads the envelope of a refusal: words, and whether it is about the account's credits. */
export const explainRefusal: Explain = (status, body) => {
  const refusal = parseJson(Refusal, body)
  if (refusal === undefined) return {}
  const words = wordsOf(refusal)
  if (words === '') return {}
  const isBilling = [400, 402, 403].includes(status) && NO_CREDITS.test(words)
  return { message: words, ...(isBilling && { kind: 'billing' as const }) }
}

/**
 * The same for requests that are built from our settings: what is missing or refused may be for an operator to mend. A
 * field that one episode fills says nothing about those of others.
 */
export const explainSetUp: Explain = (status, body) => {
  const explained = explainRefusal(status, body)
  if (explained.kind !== undefined) return explained
  if (status === 404 || status === 405 || status === 410) return { ...explained, kind: 'misconfigured' }
  if (status !== 400 && status !== 422) return explained
  const refusal = parseJson(Refusal, body)
  return refusal !== undefined && isAboutSetUp(refusal) ? { ...explained, kind: 'misconfigured' } : explained
}

function isAboutSetUp(refusal: z.infer<typeof Refusal>): boolean {
  const words = wordsOf(refusal)
  if (UNKNOWN_FIELD.test(words)) return true
  if (FIELDS_OF_ONE_EPISODE.test(words)) return false
  return FIELDS_OF_OURS.test(words) || hasFields(refusal.form_errors)
}

/** Errors by field; a list of them names none. */
function hasFields(errors: unknown): boolean {
  return typeof errors === 'object' && errors !== null && !Array.isArray(errors) && Object.keys(errors).length > 0
}

function wordsOf({ error_message: message, form_errors: errors }: z.infer<typeof Refusal>): string {
  return [message ?? '', hasFields(errors) ? JSON.stringify(errors) : '']
    .filter(Boolean)
    .join(' ')
    .slice(0, WORDS_CHARS_MAX)
}
