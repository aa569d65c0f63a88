import * as z from 'zod'

import { NOT_AUDIO } from '../../podcast/problems.ts'
import { parseJson } from '../parse-json.ts'
import type { ProviderErrorFields, ProviderErrorKind } from '../provider-error.ts'

/** The shapes an error body has had; the newest says `code`, the oldest only `status`, and some only a sentence. */
const ErrorBody = z.object({
  detail: z.union([
    z.object({
      code: z.string().optional(),
      status: z.union([z.string(), z.number()]).optional(),
      message: z.string().optional(),
    }),
    z
      .array(z.object({ msg: z.string(), loc: z.array(z.union([z.string(), z.number()])).optional() }))
      .transform(([issue]) => ({
        code: 'invalid_fields',
        status: undefined,
        message: `${issue?.loc?.join('.') ?? ''} ${issue?.msg ?? ''}`,
      })),
    z.string().transform((message) => ({ code: undefined, status: undefined, message })),
  ]),
})

/** About one voice, never about the account. */
const VOICE_CODES = new Set([
  'paid_plan_required',
  'subscription_required',
  'voice_access_denied',
  'voice_not_found',
  'invalid_uid',
])
/** What a plan does not cover today it may cover tomorrow. */
const PLAN_CODES = new Set(['paid_plan_required', 'subscription_required', 'voice_access_denied'])

/** What is known to be about the recording. */
const NOT_AUDIO_CODES = new Set(['invalid_audio', 'audio_not_readable', 'unsupported_file_type'])

const KINDS: Readonly<Record<string, ProviderErrorKind>> = {
  invalid_api_key: 'auth',
  missing_permissions: 'auth',
  detected_unusual_activity: 'auth',
  quota_exceeded: 'billing',
  insufficient_credits: 'billing',
  payment_required: 'billing',
  concurrent_limit_exceeded: 'at_capacity',
  too_many_concurrent_requests: 'at_capacity',
  max_character_limit_exceeded: 'invalid_input',
  text_too_long: 'invalid_input',
  model_not_found: 'misconfigured',
  invalid_output_format: 'misconfigured',
  unsupported_model: 'misconfigured',
  invalid_fields: 'misconfigured',
}

/** What ElevenLabs says in an error answer. */
export function explain(status: number, body: string): Partial<ProviderErrorFields> {
  const detail = parseJson(ErrorBody, body)?.detail
  // An address that is not theirs is told without a code.
  const unknownAddress = status === 404 ? { kind: 'misconfigured' as const } : {}
  if (detail === undefined) return unknownAddress
  const code = codeOf(detail)
  const kind = KINDS[code] ?? (code.includes('content') ? 'content_blocked' : undefined)
  return {
    message: `${code} ${detail.message ?? ''}`.trim(),
    ...(code === '' && unknownAddress),
    ...(kind && { kind }),
    ...(NOT_AUDIO_CODES.has(code) && { kind: 'invalid_input', words: NOT_AUDIO }),
    ...(VOICE_CODES.has(code) && { kind: 'invalid_input', canPass: PLAN_CODES.has(code) }),
  }
}

/** Whether an error answer is about the voice that was asked for. */
export function isAboutVoice(body: string): boolean {
  const detail = parseJson(ErrorBody, body)?.detail
  return detail !== undefined && VOICE_CODES.has(codeOf(detail))
}

function codeOf({ code, status }: { code?: string | undefined; status?: string | number | undefined }): string {
  return code ?? (typeof status === 'string' ? status : '')
}
