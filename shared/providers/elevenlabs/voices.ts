import * as z from 'zod'

import type { CallContext } from '../../resilience/call-context.ts'
import { callProvider } from '../call-provider.ts'
import type { GuardedAccount } from '../definition.ts'
import { sendForJson } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { requestBuilder } from './account.ts'
import type { ElevenLabsSettings } from './account.ts'

const Voices = z.object({
  voices: z
    .array(
      z.object({
        voice_id: z.string().min(1).max(100),
        is_legacy: z.boolean().nullish(),
        /** Plans that may use it; none named: all. */
        available_for_tiers: z.array(z.string()).nullish(),
      }),
    )
    .max(1_000),
})
const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const LOOK_UP_TIMEOUT_MS = 10_000

/** The voice of those who choose none: the configured one, else the account's first that is usable, looked up once. */
export function defaultVoice(account: GuardedAccount<ElevenLabsSettings>): {
  id(call: CallContext): Promise<string>
  /** It turned out not to be usable: it is looked up again. */
  forget(): void
} {
  const configured = account.config.settings.ELEVENLABS_VOICE_ID
  let found: Promise<string> | undefined
  return {
    async id(call) {
      if (configured !== undefined) return configured
      found ??= lookUp(account, call)
      const looking = found
      return looking.catch((error: unknown) => {
        if (found === looking) found = undefined
        throw error
      })
    },
    forget: () => void (found = undefined),
  }
}

async function lookUp(account: GuardedAccount<ElevenLabsSettings>, call: CallContext): Promise<string> {
  const { guard, name } = account
  // Asking for voices is free, and must not be taken for the call that is charged.
  const { stillEntitled: _charged, ...free } = call
  const request = requestBuilder(account)('voices', 'GET', '/v2/voices?page_size=100')
  const attempt = (signal: AbortSignal) => sendForJson(request, Voices, ANSWER_BYTES_MAX, free, signal)
  const limits = { attemptTimeoutMs: LOOK_UP_TIMEOUT_MS, attemptsMax: 3 }
  const { voices } = await callProvider({ guard, operation: 'voices', ...limits, attempt }, free)
  const usable = voices.find((voice) => voice.is_legacy !== true && (voice.available_for_tiers ?? []).length === 0)
  const chosen = usable ?? voices.find((voice) => voice.is_legacy !== true) ?? voices[0]
  if (chosen !== undefined) return chosen.voice_id
  throw new ProviderError(name, 'voices', {
    kind: 'misconfigured',
    message: 'the account has no voice: add one, or set ELEVENLABS_VOICE_ID',
  })
}
