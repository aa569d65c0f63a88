import * as z from 'zod'

import { parseJson } from '../parse-json.ts'
import type { ProviderErrorFields, ProviderErrorKind } from '../provider-error.ts'

const ErrorBody = z.object({ error: z.string() })

/** What a 400 says, by its sentence: the first that fits. There is no code. */
const BAD_REQUEST: readonly (readonly [RegExp, ProviderErrorKind])[] = [
  [/please try again/i, 'overloaded'],
  [/balance|insufficient (funds|credits)|payment/i, 'billing'],
  // A field that it does not know, or a model that it has no more, is ours whatever else the sentence names.
  [/(unknown|unrecognized|unexpected|extra) (field|parameter|key|property)|endpoint schema/i, 'misconfigured'],
  [/models?\b.{0,80}\b(deprecated|retired|no longer|required|does not exist)\b/i, 'misconfigured'],
  // The person's language and recording, before the fields and models that such a sentence names as well.
  [/language|audio_url|audio file|duration/i, 'invalid_input'],
  [/speech_?models?\b|\bmodels?\b|webhook|punctuate|format_text|speaker_labels/i, 'misconfigured'],
  [/unknown|unrecognized|unexpected|not (a )?(permitted|allowed)|deprecated/i, 'misconfigured'],
]

/**
 * What AssemblyAI means by an answer of 400 or above. A 400 about a field of ours or a model is an operator's to mend, one
 * about the language or the recording is about this request.
 */
export function explainRefusal(status: number, body: string): Partial<ProviderErrorFields> {
  const message = parseJson(ErrorBody, body)?.error
  if (message === undefined) return {}
  const kind = status === 400 || status === 422 ? BAD_REQUEST.find(([words]) => words.test(message))?.[1] : undefined
  return { message, ...(kind !== undefined && { kind }) }
}

/** The same of what creates or lists: nothing can be missing there but the endpoint itself. */
export function explainMissing(status: number, body: string): Partial<ProviderErrorFields> {
  const explained = explainRefusal(status, body)
  return isMissing(status) ? { ...explained, kind: 'misconfigured' } : explained
}

/** The same of one job: that it is gone is said in AssemblyAI's words, and a page without them is somebody else's. */
export function explainGone(status: number, body: string): Partial<ProviderErrorFields> {
  const explained = explainRefusal(status, body)
  return isMissing(status) && explained.message === undefined ? { kind: 'bad_response' } : explained
}

function isMissing(status: number): boolean {
  return status === 404 || status === 405 || status === 410
}
