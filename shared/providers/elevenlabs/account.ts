import * as z from 'zod'

import type { CreditsLeft } from '../../operations/health/provider-checks.ts'
import type { Account } from '../definition.ts'
import { askForHealth, requestsOf } from '../http.ts'
import { ProviderError } from '../provider-error.ts'

/** What configuration says about voices, models and sound. */
export type ElevenLabsSettings = {
  readonly ELEVENLABS_MODEL: string
  readonly ELEVENLABS_VOICE_ID: string | undefined
  readonly ELEVENLABS_OUTPUT_FORMAT: string
  readonly ELEVENLABS_STT_MODEL: string
}

const Subscription = z.object({ character_count: z.number(), character_limit: z.number().positive() })
const Models = z.array(z.object({ model_id: z.string() })).max(1_000)
const CHARACTERS_LOW_SHARE = 0.05
/** What the service says to a key that may speak, and not ask what is left. */
const MISSING_PERMISSIONS = 'missing_permissions'

export function requestBuilder(account: Account) {
  return requestsOf(account, { 'xi-api-key': account.config.apiKey })
}

/**
 * Whether the service answers, still has our model and our voice, and what is left of what was paid for: all free to ask.
 * @returns undefined for a key that may not ask what is left: the service has answered all the same
 */
export async function checkAccount(
  account: Account<ElevenLabsSettings>,
  signal: AbortSignal,
): Promise<CreditsLeft | undefined> {
  const asked = requestBuilder(account)
  const { ELEVENLABS_MODEL: model, ELEVENLABS_VOICE_ID: voiceId } = account.config.settings
  const models = await whereAllowed(askForHealth(asked('check', 'GET', '/v1/models'), Models, signal))
  if (models?.every((known) => known.model_id !== model))
    throw new ProviderError(account.name, 'check', {
      kind: 'misconfigured',
      message: `there is no model ${model} (ELEVENLABS_MODEL)`,
    })
  if (voiceId !== undefined)
    await whereAllowed(
      askForHealth(asked('check', 'GET', `/v1/voices/${encodeURIComponent(voiceId)}`), z.looseObject({}), signal),
    )
  const subscription = await whereAllowed(
    askForHealth(asked('check', 'GET', '/v1/user/subscription'), Subscription, signal),
  )
  if (subscription === undefined) return undefined
  const { character_count: used, character_limit: limit } = subscription
  return { left: limit - used, unit: 'characters', low: limit - used < limit * CHARACTERS_LOW_SHARE }
}

/** A key need not be allowed to ask: it may do its work all the same. */
async function whereAllowed<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked
  } catch (error) {
    if (error instanceof ProviderError && error.message.includes(MISSING_PERMISSIONS)) return undefined
    throw error
  }
}
