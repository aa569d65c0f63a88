import * as z from 'zod'

import type { CreditsLeft } from '../../operations/health/provider-checks.ts'
import type { Speaker } from '../../podcast/ports.ts'
import { callProvider } from '../call-provider.ts'
import type { Account, GuardedAccount } from '../definition.ts'
import { askForHealth, badResponse, readBytes, requestsOf, send } from '../http.ts'
import { ProviderError } from '../provider-error.ts'

const MODEL = 'eleven_multilingual_v2'
/** A premade voice that every account has. */
const VOICE_ID_DEFAULT = '21m00Tcm4TlvDq8ikWAM'
/** The best mp3 that every plan may ask for. */
const OUTPUT_FORMAT = 'mp3_44100_128'
const SPEAK_TIMEOUT_MS = 90_000
const AUDIO_BYTES_MAX = 16 * 1024 * 1024

const Subscription = z.object({ character_count: z.number(), character_limit: z.number().positive() })
const CHARACTERS_LOW_SHARE = 0.05
/** What the service says to a key that may speak, and not ask what is left. */
const MISSING_PERMISSIONS = 'missing_permissions'

/**
 * What is left of what was paid for, which is free to ask.
 * @returns undefined for a key that may not ask for it: the service has answered all the same
 */
export async function checkAccount(account: Account, signal: AbortSignal): Promise<CreditsLeft | undefined> {
  try {
    const asked = requestBuilder(account)('check', 'GET', '/v1/user/subscription')
    const { character_count: used, character_limit: limit } = await askForHealth(asked, Subscription, signal)
    return { left: limit - used, unit: 'characters', low: limit - used < limit * CHARACTERS_LOW_SHARE }
  } catch (error) {
    if (error instanceof ProviderError && error.message.includes(MISSING_PERMISSIONS)) return undefined
    throw error
  }
}

export function makeSpeaker(account: GuardedAccount): Speaker {
  const { guard, name } = account
  const buildRequest = requestBuilder(account)
  return {
    name,
    kind: 'call',
    callsBack: false,

    version: ({ voiceId }) => [voiceId ?? VOICE_ID_DEFAULT, MODEL, OUTPUT_FORMAT].join('/'),

    /** Sent once: charges are irreversible and there is no idempotency key. */
    async speak({ text, voiceId }, call) {
      const path = `/v1/text-to-speech/${encodeURIComponent(voiceId ?? VOICE_ID_DEFAULT)}?output_format=${OUTPUT_FORMAT}`
      const request = buildRequest('textToSpeech', 'POST', path, JSON.stringify({ text, model_id: MODEL }))
      const attempt = async (signal: AbortSignal) => {
        const response = await send(request, call, signal)
        const contentType = response.headers.get('content-type') ?? ''
        if (!contentType.startsWith('audio/')) throw badResponse(request, 'the answer is not audio')
        const audio = await readBytes(request, response, AUDIO_BYTES_MAX, 'refuse')
        if (!isMp3(audio)) throw badResponse(request, 'the answer is no mp3, whatever it says it is')
        const characters = Number(response.headers.get('character-cost') ?? text.length)
        return { audio, contentType, characters, cost: { calls: 1, characters } }
      }
      const limits = { attemptTimeoutMs: SPEAK_TIMEOUT_MS, attemptsMax: 1 }
      return callProvider({ guard, operation: 'textToSpeech', ...limits, attempt }, call)
    },
  }
}

function requestBuilder(account: Account) {
  return requestsOf(account, { 'xi-api-key': account.config.apiKey, Accept: 'audio/mpeg' })
}

/** A tag, or the eleven set bits that every frame begins with (ISO/IEC 11172-3). */
function isMp3(audio: Buffer): boolean {
  const tagged = audio.toString('latin1', 0, 3) === 'ID3'
  return tagged || (audio[0] === 0xff && ((audio[1] ?? 0) & 0xe0) === 0xe0)
}
