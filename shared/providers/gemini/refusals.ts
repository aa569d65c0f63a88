import * as z from 'zod'

import type { ProblemWords } from '../../engine/problem.ts'
import type { Explain } from '../definition.ts'
import { parseJson } from '../parse-json.ts'
import type { ProviderErrorKind } from '../provider-error.ts'

const GoogleError = z.object({
  message: z.string(),
  status: z.string().optional().catch(undefined),
  details: z.array(z.unknown()).optional().catch(undefined),
})
type GoogleError = z.infer<typeof GoogleError>

/** Where a stream is expected, the error comes in a list. */
const ErrorBody = z.union([
  z.object({ error: GoogleError }),
  z.tuple([z.object({ error: GoogleError })]).transform(([first]) => first),
])

/** What Google's error model says of a refused call: https://ai.google.dev/gemini-api/docs/troubleshooting */
export const explainRefusal: Explain = (status, body) => {
  const error = parseJson(ErrorBody, body)?.error
  const details = JSON.stringify(error?.details ?? [])
  const kind = kindOf(status, error, details)
  const waitMs = retryDelayMs(status, details)
  return {
    ...(error !== undefined && { message: error.message }),
    ...(kind !== undefined && { kind }),
    ...(kind === 'invalid_input' && aboutRequest(error?.message ?? '')),
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
  }
}

/** Undefined: as the status alone says. */
function kindOf(status: number, error: GoogleError | undefined, details: string): ProviderErrorKind | undefined {
  // The only things that we name in an address are our version and our model.
  if (status === 404 || status === 405 || status === 410) return 'misconfigured'
  if (error === undefined) return undefined
  if (details.includes('API_KEY_INVALID')) return 'auth'
  if (details.includes('BILLING_DISABLED') || UNPAID.test(error.message)) return 'billing'
  // It was ended on their side, without an answer: sending it again succeeds.
  if (error.status === 'CANCELLED' || error.status === 'ABORTED') return 'overloaded'
  if (status === 403 && MODEL_FORBIDDEN.test(error.message)) return 'misconfigured'
  if (status !== 400) return undefined
  // Such as a region that is not served, or a project without billing.
  if (error.status === 'FAILED_PRECONDITION') return 'billing'
  return OUR_OWN_MISTAKE.some((pattern) => pattern.test(error.message)) ? 'misconfigured' : 'invalid_input'
}

/**
 * A 400 about what we send of our own accord: a field, a schema, a feature that the model lacks. Google's messages do
 * not quote the texts in a request, so what a person said cannot lead here.
 */
const OUR_OWN_MISTAKE = [
  /^Invalid JSON payload received\. Unknown name /,
  /^Invalid value at '(?!contents)/,
  /\bthinking[_ ](?:level|budget|config)/i,
  /\b(?:generation_?config|response_?(?:json_?)?schema|response_?mime_?type|system_?instruction|max_?output_?tokens)\b/i,
  /\b(?:not (?:supported|enabled)|unsupported|isn't supported) (?:for|by|in|on) (?:this |the )?(?:models?\b|api version)/i,
  /\bthe specified schema\b/i,
]
/** A quota of nothing is a plan that lacks the model. */
const UNPAID = /\blimit: 0\b|\bcredits are depleted\b|\bmonthly spending cap\b/i
const MODEL_FORBIDDEN = /\bpermission to access (?:the |this )?(?:tuned )?model\b/i
const TOO_LONG = /\btoken count\b.*\bexceeds\b|\bpayload size exceeds\b|\btoo (?:long|large)\b/i

const TRANSCRIPT_TOO_LONG: ProblemWords = {
  code: 'provider_rejected',
  message: 'This recording has more words than the service that writes show notes can take at once.',
  retryable: false,
}

/** A bare "Request contains an invalid argument" may be a fault of theirs that they mend; a text stays too long. */
function aboutRequest(message: string): { canPass: boolean; words?: ProblemWords } {
  return TOO_LONG.test(message) ? { canPass: false, words: TRANSCRIPT_TOO_LONG } : { canPass: true }
}

/** As long as any provider can send us away. */
const DELAY_MS_MAX = 15 * 60_000

/** Their delay comes in `RetryInfo`, as `"34.07s"`. For a quota of a day it says nothing: it is full until midnight. */
function retryDelayMs(status: number, details: string): number | undefined {
  if (status === 429 && /"quotaId":"[^"]*PerDay/.test(details)) return DELAY_MS_MAX
  const seconds = /"retryDelay":"(\d+(?:\.\d+)?)s"/.exec(details)?.[1]
  return seconds === undefined ? undefined : Math.min(Number(seconds) * 1000, DELAY_MS_MAX)
}
