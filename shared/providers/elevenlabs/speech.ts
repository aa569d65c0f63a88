import type { Speaker } from '../../podcast/ports.ts'
import type { CallContext } from '../../resilience/call-context.ts'
import { callProvider } from '../call-provider.ts'
import type { Explain, GuardedAccount } from '../definition.ts'
import { readBytes, send, unusable } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { requestBuilder } from './account.ts'
import type { ElevenLabsSettings } from './account.ts'
import { explainChosenVoice, FOUND_VOICE_NOT_USABLE } from './errors.ts'
import { defaultVoice } from './voices.ts'

const SPEAK_TIMEOUT_MS = 90_000
/** Of the account's voices, in one attempt: the next is taken when one is refused. */
const VOICES_TRIED_MAX = 4
const AUDIO_BYTES_MAX = 16 * 1024 * 1024
/** Nobody speaks faster than 40 characters a second, and no format has less than 32 kbit/s. */
const BYTES_PER_CHARACTER_MIN = 32_000 / 8 / 40
const BYTES_MIN = 800

/** Text to speech: https://elevenlabs.io/docs/api-reference/text-to-speech */
export function makeSpeaker(account: GuardedAccount<ElevenLabsSettings>): Speaker {
  const { guard, name } = account
  const { ELEVENLABS_MODEL: model, ELEVENLABS_OUTPUT_FORMAT: format } = account.config.settings
  const byDefault = defaultVoice(account)
  const buildRequest = requestBuilder(account)
  return {
    name,
    kind: 'call',
    callsBack: false,

    version: async ({ voiceId }, call) => [voiceId ?? (await byDefault.id(call)), model, format].join('/'),

    /** Charged once: charges are irreversible and there is no idempotency key. A voice that is refused costs nothing. */
    async speak({ text, voiceId }, call) {
      if (voiceId !== undefined) return speakWith(voiceId, { text, explain: explainChosenVoice }, call)
      for (let tried = 1; ; tried++) {
        const voice = await byDefault.id(call)
        try {
          return await speakWith(voice, { text, explain: byDefault.explain }, call)
        } catch (error) {
          if (!(error instanceof ProviderError) || error.words !== FOUND_VOICE_NOT_USABLE) throw error
          byDefault.reject(voice)
          if (tried >= VOICES_TRIED_MAX) throw error
        }
      }
    },
  }

  async function speakWith(
    voice: string,
    { text, explain }: { readonly text: string; readonly explain: Explain },
    call: CallContext,
  ) {
    const path = `/v1/text-to-speech/${encodeURIComponent(voice)}?output_format=${encodeURIComponent(format)}`
    const request = buildRequest('textToSpeech', 'POST', path, JSON.stringify(speechBody(text, model)))
    request.headers['Accept'] = 'audio/mpeg'
    request.explain = explain
    const attempt = async (signal: AbortSignal) => soundOf(request, await send(request, call, signal), text)
    // How many characters it charges for one is up to its model.
    const limits = { attemptTimeoutMs: SPEAK_TIMEOUT_MS, attemptsMax: 1, charges: { calls: 1 } }
    return callProvider({ guard, operation: 'textToSpeech', ...limits, attempt }, call)
  }
}

/** What is asked for, beside voice and format, which are in the address. */
export function speechBody(text: string, model: string) {
  return { text, model_id: model } as const
}

/** The sound of an answer; what was charged for is told even where it is of no use. */
async function soundOf(request: ProviderRequest, response: Response, text: string) {
  const contentType = response.headers.get('content-type') ?? ''
  const charged = Number(response.headers.get('character-cost') ?? Number.NaN)
  const characters = Number.isFinite(charged) && charged >= 0 ? charged : text.length
  const cost = { calls: 1, characters }
  if (!contentType.startsWith('audio/') && !contentType.startsWith('application/octet-stream')) {
    await response.body?.cancel()
    throw unusable(request, `the answer is ${contentType || 'of no type'}, not audio`, cost)
  }
  const audio = await readBytes(request, response, AUDIO_BYTES_MAX, 'refuse')
  if (!isMp3(audio)) throw unusable(request, 'the answer is no mp3, whatever it says it is', cost)
  if (audio.length < Math.max(BYTES_MIN, text.length * BYTES_PER_CHARACTER_MIN))
    throw unusable(request, `${audio.length} bytes cannot be the sound of ${text.length} characters`, cost)
  return { audio, contentType: 'audio/mpeg', characters, cost }
}

/** A tag, or the eleven set bits that every frame begins with (ISO/IEC 11172-3). */
function isMp3(audio: Buffer): boolean {
  const tagged = audio.toString('latin1', 0, 3) === 'ID3'
  return tagged || (audio[0] === 0xff && ((audio[1] ?? 0) & 0xe0) === 0xe0)
}
