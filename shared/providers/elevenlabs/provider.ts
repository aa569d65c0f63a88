import * as z from 'zod'

import { baseUrl, text } from '../../environment.ts'
import { defineProvider } from '../definition.ts'
import { parseJson } from '../parse-json.ts'

/** The three shapes an error body has had; the newest says `code`, the oldest only `status`. */
const ErrorBody = z.object({
  detail: z.union([
    z.object({ code: z.string().optional(), status: z.string().optional(), message: z.string().optional() }),
    z
      .array(z.object({ msg: z.string() }))
      .transform((issues) => ({ code: 'validation', status: undefined, message: issues[0]?.msg })),
  ]),
})
const BILLING_CODES = new Set(['quota_exceeded', 'insufficient_credits', 'payment_required'])
const CONCURRENCY_CODES = new Set(['concurrent_limit_exceeded', 'too_many_concurrent_requests'])
const INPUT_CODES = new Set(['voice_access_denied', 'voice_not_found'])

/** ElevenLabs, text to speech: https://elevenlabs.io/docs/api-reference/text-to-speech */
export const elevenlabs = defineProvider({
  name: 'elevenlabs',
  title: 'ElevenLabs',
  settings: {
    ELEVENLABS_BASE_URL: baseUrl.default('https://api.elevenlabs.io').describe('another region, or a proxy'),
  },
  secrets: { ELEVENLABS_API_KEY: text.optional().describe("ElevenLabs' key") },
  make: { speakers: async (account) => (await import('./client.ts')).makeSpeaker(account) },
  explain(_status, body) {
    const detail = parseJson(ErrorBody, body)?.detail
    if (detail === undefined) return {}
    const code = detail.code ?? detail.status ?? ''
    return {
      message: `${code} ${detail.message ?? ''}`,
      ...(BILLING_CODES.has(code) && { kind: 'billing' as const }),
      ...(CONCURRENCY_CODES.has(code) && { kind: 'at_capacity' as const }),
      ...(INPUT_CODES.has(code) && { kind: 'invalid_input' as const }),
      ...(code.includes('content') && { kind: 'content_blocked' as const }),
    }
  },
  check: async (account, signal) => (await import('./client.ts')).checkAccount(account, signal),
  costs: { characters: { meaning: 'characters that ElevenLabs charges', unit: '{character}', scale: 10 } },
})
