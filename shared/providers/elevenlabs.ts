import * as z from 'zod'

import type { ProviderConfig } from '../config.ts'
import { guardedCall } from './guarded-call.ts'
import type { CallContext, Guard } from './guarded-call.ts'
import { askForHealth, badResponse, jsonOf, readBytes, requestsOf, send } from './http.ts'
import type { CreditsLeft } from './http.ts'
import { ProviderError } from './provider-error.ts'
import type { ProviderErrorFields } from './provider-error.ts'

const MODEL = 'eleven_multilingual_v2'
/** A premade voice that every account has. */
const VOICE_ID_DEFAULT = '21m00Tcm4TlvDq8ikWAM'
/** The best mp3 that every plan may ask for. */
const OUTPUT_FORMAT = 'mp3_44100_128'
const SPEAK_TIMEOUT_MS = 90_000
const AUDIO_BYTES_MAX = 16 * 1024 * 1024

/** The three shapes an error body has had; the newest says `code`, the oldest only `status`. */
const ErrorBody = z.object({
  detail: z.union([
    z.object({ code: z.string().optional(), status: z.string().optional(), message: z.string().optional() }),
    z
      .array(z.object({ msg: z.string() }))
      .transform((issues) => ({ code: 'validation', status: undefined, message: issues[0]?.msg })),
  ]),
})

const Subscription = z.object({ character_count: z.number(), character_limit: z.number().positive() })
const CHARACTERS_LOW_SHARE = 0.05

/** What a spoken text depends on beside its words: the voice, and how it is spoken. */
export function voiceOf({ voiceId }: { voiceId?: string | undefined }): string {
  return [voiceId ?? VOICE_ID_DEFAULT, MODEL, OUTPUT_FORMAT].join('/')
}

export type Spoken = { audio: Buffer; contentType: string; characters: number }
export type ElevenLabs = ReturnType<typeof elevenLabs>

/** Text to speech: https://elevenlabs.io/docs/api-reference/text-to-speech */
export function elevenLabs({ apiKey, baseUrl }: ProviderConfig, guard: Guard) {
  const requestTo = requestsOf('elevenlabs', baseUrl, { 'xi-api-key': apiKey, Accept: 'audio/mpeg' }, explain)
  return {
    /**
     * What is left of what was paid for, which is free to ask.
     * @returns undefined for a key that may not ask for it: the service has answered all the same
     */
    async check(signal: AbortSignal): Promise<CreditsLeft | undefined> {
      try {
        const asked = requestTo('check', 'GET', '/v1/user/subscription')
        const { character_count: used, character_limit: limit } = await askForHealth(asked, Subscription, signal)
        return { left: limit - used, unit: 'characters', low: limit - used < limit * CHARACTERS_LOW_SHARE }
      } catch (error) {
        if (error instanceof ProviderError && error.message.includes(MISSING_PERMISSIONS)) return undefined
        throw error
      }
    },

    /** Sent once: charges are irreversible and there is no idempotency key. */
    async speak(
      { text, voiceId }: { text: string; voiceId?: string | undefined },
      context: CallContext,
    ): Promise<Spoken> {
      const path = `/v1/text-to-speech/${encodeURIComponent(voiceId ?? VOICE_ID_DEFAULT)}?output_format=${OUTPUT_FORMAT}`
      const request = requestTo('textToSpeech', 'POST', path, JSON.stringify({ text, model_id: MODEL }))
      const attempt = async (signal: AbortSignal): Promise<Spoken> => {
        const response = await send(request, context, signal)
        const contentType = response.headers.get('content-type') ?? ''
        if (!contentType.startsWith('audio/')) throw badResponse(request, 'the answer is not audio')
        const audio = await readBytes(request, response, AUDIO_BYTES_MAX, 'refuse')
        if (!isMp3(audio)) throw badResponse(request, 'the answer is no mp3, whatever it says it is')
        return { audio, contentType, characters: Number(response.headers.get('character-cost') ?? text.length) }
      }
      const limits = { attemptTimeoutMs: SPEAK_TIMEOUT_MS, attemptsMax: 1 }
      return guardedCall({ guard, operation: 'textToSpeech', ...limits, attempt }, context)
    },
  }
}

/** A tag, or the eleven set bits that every frame begins with (ISO/IEC 11172-3). */
function isMp3(audio: Buffer): boolean {
  const tagged = audio.toString('latin1', 0, 3) === 'ID3'
  return tagged || (audio[0] === 0xff && ((audio[1] ?? 0) & 0xe0) === 0xe0)
}

const MISSING_PERMISSIONS = 'missing_permissions'
const BILLING_CODES = new Set(['quota_exceeded', 'insufficient_credits', 'payment_required'])
const CONCURRENCY_CODES = new Set(['concurrent_limit_exceeded', 'too_many_concurrent_requests'])
const INPUT_CODES = new Set(['voice_access_denied', 'voice_not_found'])

function explain(_status: number, body: string): Partial<ProviderErrorFields> {
  const detail = jsonOf(ErrorBody, body)?.detail
  if (detail === undefined) return {}
  const code = detail.code ?? detail.status ?? ''
  return {
    message: `${code} ${detail.message ?? ''}`,
    ...(BILLING_CODES.has(code) && { kind: 'billing' as const }),
    ...(CONCURRENCY_CODES.has(code) && { kind: 'at_capacity' as const }),
    ...(INPUT_CODES.has(code) && { kind: 'invalid_input' as const }),
    ...(code.includes('content') && { kind: 'content_blocked' as const }),
  }
}
