import * as z from 'zod'

import type { ProblemWords } from '../../engine/problem.ts'
import { NOT_AUDIO } from '../../podcast/problems.ts'
import type { Explain } from '../definition.ts'
import { parseJson } from '../parse-json.ts'
import type { ProviderErrorFields, ProviderErrorKind } from '../provider-error.ts'

/** The shapes an error body has had; the newest says `code`, the oldest only `status`, and some only a sentence. */
const ErrorBody = z.object({
  detail: z.union([
    z
      .object({
        code: z.string().nullish(),
        status: z.union([z.string(), z.number()]).nullish(),
        message: z.string().nullish(),
        param: z.string().nullish(),
      })
      .transform(({ code, status, message, param }) => ({
        code: code ?? (typeof status === 'string' ? status : ''),
        message: message ?? '',
        field: param ?? undefined,
      })),
    z
      .array(z.object({ msg: z.string(), loc: z.array(z.union([z.string(), z.number()])).nullish() }))
      .transform(([issue]) => ({
        code: '',
        message: `${issue?.loc?.join('.') ?? ''} ${issue?.msg ?? ''}`,
        // Begins with where it is: `body`, `query`, `path`.
        field: String(issue?.loc?.[1] ?? issue?.loc?.[0] ?? ''),
      })),
    z.string().transform((message) => ({ code: '', message, field: undefined })),
  ]),
})
type Detail = z.output<typeof ErrorBody>['detail']

/**
 * What a refusal can be about, beside the account: whose mistake it is follows. `source`: what we said of where the
 * recording is. `setup`: what only configuration says.
 */
type Subject = 'voice' | 'text' | 'recording' | 'source' | 'language' | 'setup'

const SUBJECT_OF_CODE: Readonly<Record<string, Subject>> = {
  paid_plan_required: 'voice',
  subscription_required: 'voice',
  voice_access_denied: 'voice',
  voice_not_found: 'voice',
  voice_does_not_exist: 'voice',
  voice_not_fine_tuned: 'voice',
  invalid_voice_id: 'voice',
  invalid_uid: 'voice',
  max_character_limit_exceeded: 'text',
  text_too_long: 'text',
  text_too_short: 'text',
  empty_text: 'text',
  invalid_audio: 'recording',
  audio_not_readable: 'recording',
  unsupported_file_type: 'recording',
  invalid_source_url: 'source',
  invalid_url: 'source',
  unsupported_language: 'language',
  invalid_language_code: 'language',
  model_not_found: 'setup',
  unsupported_model: 'setup',
  invalid_model_id: 'setup',
  invalid_output_format: 'setup',
  output_format_not_allowed: 'setup',
}
const SUBJECT_OF_FIELD: Readonly<Record<string, Subject>> = {
  voice_id: 'voice',
  text: 'text',
  file: 'source',
  source_url: 'source',
  cloud_storage_url: 'source',
  language_code: 'language',
}
const KIND_OF_CODE: Readonly<Record<string, ProviderErrorKind>> = {
  invalid_api_key: 'auth',
  missing_api_key: 'auth',
  missing_permissions: 'auth',
  insufficient_permissions: 'auth',
  detected_unusual_activity: 'auth',
  quota_exceeded: 'billing',
  insufficient_credits: 'billing',
  payment_required: 'billing',
  concurrent_limit_exceeded: 'at_capacity',
  too_many_concurrent_requests: 'at_capacity',
}
/** A plan can be changed, and so can what a voice is open to. One that is not there does not come back. */
const CAN_PASS = /plan|subscription|access|payment|fine_tuned/
/** What is asked for is there, and not for everybody. */
const NOT_OPEN: ReadonlySet<number> = new Set([402, 403])
const NO_ADDRESS: ReadonlySet<number> = new Set([404, 405])

const VOICE_NOT_USABLE: ProblemWords = {
  code: 'provider_rejected',
  message: 'The voice you chose cannot be used. Choose another voice, or none.',
  retryable: false,
}

function chooseAnother(canPass: boolean): Partial<ProviderErrorFields> {
  return { kind: 'invalid_input', canPass, words: VOICE_NOT_USABLE }
}

/** Neither a person nor an operator chose it, and others may have chosen better. */
export const FOUND_VOICE_NOT_USABLE: ProblemWords = {
  code: 'provider_rejected',
  message: 'The voice for episodes without a voice of their own cannot be used any more. Another one is looked for.',
  retryable: true,
}
const FIND_ANOTHER: Partial<ProviderErrorFields> = {
  kind: 'invalid_input',
  canPass: true,
  words: FOUND_VOICE_NOT_USABLE,
}

/** What ElevenLabs says in an error answer to a request in which everything but a text is ours. */
export const explain: Explain = (status, body) => explainTo('ours', status, body)
/** The same to a request with a voice that a person has chosen: that one may be theirs to change. */
export const explainChosenVoice: Explain = (status, body) => explainTo('chosen voice', status, body)
/** The same to a request with a voice that we found in the account: another is found the next time. */
export const explainFoundVoice: Explain = (status, body) => explainTo('found voice', status, body)
/** The same to a recording that is to be heard. */
export const explainRecording: Explain = (status, body) => explainTo('recording', status, body)

type Asked = 'ours' | 'chosen voice' | 'found voice' | 'recording'

function explainTo(asked: Asked, status: number, body: string): Partial<ProviderErrorFields> {
  const detail = parseJson(ErrorBody, body)?.detail
  if (detail === undefined) return NO_ADDRESS.has(status) ? notThere(asked) : {}
  return { message: `${detail.code} ${detail.message}`.trim(), ...meaningOf(asked, status, detail) }
}

function meaningOf(asked: Asked, status: number, detail: Detail): Partial<ProviderErrorFields> {
  const { code } = detail
  if (asked === 'recording' && code === 'invalid_content') return ABOUT.recording
  if (/content|moderation|safety/.test(code)) return { kind: 'content_blocked' }
  const subject = subjectOf(asked, status, detail)
  if (subject === 'voice' && asked === 'chosen voice') return chooseAnother(CAN_PASS.test(code) || NOT_OPEN.has(status))
  if (subject === 'voice' && asked === 'found voice') return FIND_ANOTHER
  if (subject !== undefined) return ABOUT[subject]
  const kind = KIND_OF_CODE[code]
  if (kind !== undefined) return { kind }
  if (NO_ADDRESS.has(status)) return notThere(asked)
  // Nobody knows what it is about, and so nobody that it cannot pass.
  return status === 400 ? { canPass: true } : {}
}

/** The voice is in the address: one that nobody here has set up is what is not there. */
function notThere(asked: Asked): Partial<ProviderErrorFields> {
  if (asked === 'found voice') return FIND_ANOTHER
  return asked === 'chosen voice' ? chooseAnother(true) : { kind: 'misconfigured' }
}

const ABOUT: Readonly<Record<Subject, Partial<ProviderErrorFields>>> = {
  // Ours: who has chosen one needs none of it.
  voice: { kind: 'misconfigured', sparesOthers: true },
  text: { kind: 'invalid_input' },
  recording: { kind: 'invalid_input', words: NOT_AUDIO },
  // It could not be fetched, or was lost on its way: another try may do better.
  source: { kind: 'unusable' },
  language: { kind: 'invalid_input' },
  setup: { kind: 'misconfigured' },
}

function subjectOf(asked: Asked, status: number, { code, message, field }: Detail): Subject | undefined {
  if (code === 'subscription_required' && /format|bitrate|kbps/i.test(message)) return 'setup'
  // "Free users cannot use library voices": older answers have no better code for it.
  if (code === 'payment_required' && /voice/i.test(message)) return 'voice'
  const known = SUBJECT_OF_CODE[code]
  if (known !== undefined || KIND_OF_CODE[code] !== undefined) return known
  if (field !== undefined) return SUBJECT_OF_FIELD[field] ?? 'setup'
  // What nobody has explained must not be held against an account that others use with another voice.
  return asked === 'chosen voice' && NOT_OPEN.has(status) ? 'voice' : undefined
}
