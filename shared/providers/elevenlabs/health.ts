import * as z from 'zod'

import type { CreditsLeft } from '../../operations/health/provider-checks.ts'
import type { Account } from '../definition.ts'
import { askForHealth } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { isMissingPermission, requestBuilder } from './account.ts'
import type { ElevenLabsSettings } from './account.ts'
import { askForVoices, chooseVoice, NO_VOICE, Voice, Voices, whyUnusable } from './voices.ts'

const Subscription = z.object({
  tier: z.string().nullish(),
  character_count: z.number(),
  character_limit: z.number().positive(),
})
const Models = z.array(z.object({ model_id: z.string(), can_do_text_to_speech: z.boolean().nullish() })).max(1_000)
const CHARACTERS_LOW_SHARE = 0.05
/** 192 kbit/s takes the Creator plan or one above it (SDK 2.73.0, `outputFormat`). */
const BEST_FORMAT = 'mp3_44100_192'
const TIERS_WITHOUT_BEST_FORMAT: ReadonlySet<string> = new Set(['free', 'starter'])

/**
 * Whether the service answers, still has our model and our voice, sells us our format, and what is left of what was paid
 * for: all free to ask. The model that listens is in no list, and cannot be asked for.
 * @returns undefined for a key that may not ask what is left: the service has answered all the same
 * @throws ProviderError misconfigured, naming the variable
 */
export async function checkAccount(
  account: Account<ElevenLabsSettings>,
  signal: AbortSignal,
): Promise<CreditsLeft | undefined> {
  const [subscription, , voice] = await Promise.all([
    whereAllowed(askForHealth(requestBuilder(account)('check', 'GET', '/v1/user/subscription'), Subscription, signal)),
    checkModel(account, signal),
    checkVoice(account, signal),
  ])
  const why = voice && whyUnusable(voice, subscription?.tier ?? undefined)
  if (why !== undefined)
    throw mistake(account, `the voice ${voice?.voice_id} cannot be used (ELEVENLABS_VOICE_ID): ${why}`)
  if (subscription === undefined) return undefined
  const { tier, character_count: used, character_limit: limit } = subscription
  const { ELEVENLABS_OUTPUT_FORMAT: format } = account.config.settings
  if (format === BEST_FORMAT && TIERS_WITHOUT_BEST_FORMAT.has(tier ?? ''))
    throw mistake(account, `the plan ${tier} does not have ${format} (ELEVENLABS_OUTPUT_FORMAT)`)
  return { left: limit - used, unit: 'characters', low: limit - used < limit * CHARACTERS_LOW_SHARE }
}

async function checkModel(account: Account<ElevenLabsSettings>, signal: AbortSignal): Promise<void> {
  const { ELEVENLABS_MODEL: model } = account.config.settings
  const asked = requestBuilder(account)('check', 'GET', '/v1/models')
  const models = await whereAllowed(askForHealth(asked, Models, signal))
  if (models === undefined) return
  const known = models.find((one) => one.model_id === model)
  if (known === undefined) throw mistake(account, `there is no model ${model} (ELEVENLABS_MODEL)`)
  if (known.can_do_text_to_speech === false) throw mistake(account, `${model} does not speak (ELEVENLABS_MODEL)`)
}

/** The configured voice, where the key may see it; without one the account must have some that can be used. */
async function checkVoice(account: Account<ElevenLabsSettings>, signal: AbortSignal): Promise<Voice | undefined> {
  const { ELEVENLABS_VOICE_ID: voiceId } = account.config.settings
  if (voiceId === undefined) {
    const asked = askForVoices(account)
    const voice = chooseVoice(await askForHealth(asked, Voices, signal), new Set())
    if (voice === undefined) throw mistake(account, NO_VOICE)
    return undefined
  }
  const asked = requestBuilder(account)('check', 'GET', `/v1/voices/${encodeURIComponent(voiceId)}`)
  try {
    return await whereAllowed(askForHealth(asked, Voice, signal))
  } catch (error) {
    if (!(error instanceof ProviderError) || error.kind !== 'misconfigured') throw error
    throw mistake(account, `there is no voice ${voiceId} (ELEVENLABS_VOICE_ID): ${error.message}`)
  }
}

function mistake({ name }: Account, message: string): ProviderError {
  return new ProviderError(name, 'check', { kind: 'misconfigured', message })
}

/** A key need not be allowed to ask: it may do its work all the same. */
async function whereAllowed<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ProviderError && isMissingPermission(error.message)) return undefined
    throw error
  }
}
