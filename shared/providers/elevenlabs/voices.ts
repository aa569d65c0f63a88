import * as z from 'zod'

import type { CallContext } from '../../resilience/call-context.ts'
import { log } from '../../telemetry/log.ts'
import { callProvider } from '../call-provider.ts'
import type { Account, Explain, GuardedAccount } from '../definition.ts'
import { sendForJson } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { ProviderError } from '../provider-error.ts'
import { isMissingPermission, requestBuilder } from './account.ts'
import type { ElevenLabsSettings } from './account.ts'
import { explain, explainFoundVoice } from './errors.ts'

/** What is known of a voice before it is spoken with. */
export const Voice = z.object({
  voice_id: z.string().min(1).max(100),
  is_legacy: z.boolean().nullish(),
  /** Plans that may use it; none named: all. */
  available_for_tiers: z.array(z.string()).nullish(),
  sharing: z.object({ disable_at_unix: z.number().nullish() }).nullish(),
  safety_control: z.string().nullish(),
  voice_verification: z.object({ requires_verification: z.boolean(), is_verified: z.boolean() }).nullish(),
})
export type Voice = z.infer<typeof Voice>
/** An odd one among them takes none of the others away. */
export const Voices = z.object({ voices: z.array(z.unknown()).max(1_000) })

const ANSWER_BYTES_MAX = 4 * 1024 * 1024
const LOOK_UP_TIMEOUT_MS = 10_000
export const NO_VOICE = 'the account has no voice that can be used: add one, or set ELEVENLABS_VOICE_ID'
const NOT_ALLOWED = 'the key may not list voices: allow it to, or set ELEVENLABS_VOICE_ID'

/** Who speaks for those who choose no voice. */
export type DefaultVoice = {
  /** The configured voice, else the account's first that is usable, looked up once. Free. @throws ProviderError */
  id(call: CallContext): Promise<string>
  /** What a refusal to speak with it means. */
  readonly explain: Explain
  /** It turned out not to be usable, whatever the list says: another is looked up. */
  reject(id: string): void
}

/**
 * What was found and what was rejected is known to one instance only. A new one asks for the list again, and is refused
 * once by each voice that others have rejected: free requests of a fraction of a second, at its first intro.
 */
export function defaultVoice(account: GuardedAccount<ElevenLabsSettings>): DefaultVoice {
  const configured = account.config.settings.ELEVENLABS_VOICE_ID
  const rejected = new Set<string>()
  let found: string | undefined
  return {
    explain: configured === undefined ? explainFoundVoice : explain,
    async id(call) {
      if (configured !== undefined) return configured
      // Each caller asks for itself until one has been answered: what ends one of them must end no other.
      return found ?? (found = await lookUp(account, rejected, call))
    },
    reject(id) {
      rejected.add(id)
      if (found === id) found = undefined
    },
  }
}

/** Asks for the account's voices, which is free. A key that may not ask may speak all the same. */
export function askForVoices(account: Account): ProviderRequest {
  const request = requestBuilder(account)('voices', 'GET', '/v2/voices?page_size=100')
  return {
    ...request,
    explain: (status, body) => ({
      ...account.explain(status, body),
      ...(isMissingPermission(body) && { kind: 'invalid_input', message: NOT_ALLOWED }),
    }),
  }
}

/**
 * The first voice of an answer to `askForVoices` that can be spoken with: one that every plan has and that stays before
 * one that only some plans have, and before one that ends.
 * @param rejected those that turned out not to be usable
 */
export function chooseVoice({ voices }: z.infer<typeof Voices>, rejected: ReadonlySet<string>): string | undefined {
  const usable = voices
    .flatMap((voice) => Voice.safeParse(voice).data ?? [])
    .filter((voice) => isUsable(voice) && !rejected.has(voice.voice_id))
  const lasting = usable.filter(({ sharing }) => sharing?.disable_at_unix == null)
  const open = lasting.find(({ available_for_tiers: tiers }) => (tiers ?? []).length === 0)
  return (open ?? lasting[0] ?? usable[0])?.voice_id
}

/** From the least to the most; what others there are nobody knows to be less. */
const TIERS = ['free', 'starter', 'creator', 'pro', 'growing_business', 'scale', 'business', 'enterprise']

/**
 * Why an account cannot speak with a voice, in words for an operator; undefined where nothing speaks against it.
 * @param tier the account's plan, where the key may ask for it
 */
export function whyUnusable(voice: Voice, tier: string | undefined): string | undefined {
  if (voice.is_legacy === true) return 'it is a legacy voice, which is not served any more'
  if (!isUsable(voice)) return 'it is barred, or waits for its verification'
  const tiers = voice.available_for_tiers ?? []
  const least = Math.min(...tiers.map((name) => TIERS.indexOf(name)))
  const isBeyond = tier !== undefined && TIERS.includes(tier) && tiers.length > 0 && TIERS.indexOf(tier) < least
  return isBeyond ? `the plan ${tier} does not have it, only ${tiers.join(', ').slice(0, 100)}` : undefined
}

function isUsable({ is_legacy: isLegacy, safety_control: control, voice_verification: verification }: Voice): boolean {
  const isBarred = control != null && control !== 'NONE'
  return isLegacy !== true && !isBarred && !(verification?.requires_verification === true && !verification.is_verified)
}

async function lookUp(
  account: GuardedAccount<ElevenLabsSettings>,
  rejected: ReadonlySet<string>,
  call: CallContext,
): Promise<string> {
  // Asking is free, and must not be taken for the call that is charged.
  const { stillEntitled: _charged, ...free } = call
  const request = askForVoices(account)
  const attempt = (signal: AbortSignal) => sendForJson(request, Voices, ANSWER_BYTES_MAX, free, signal)
  const limits = { attemptTimeoutMs: LOOK_UP_TIMEOUT_MS, attemptsMax: 3 }
  try {
    const answer = await callProvider({ guard: account.guard, operation: 'voices', ...limits, attempt }, free)
    return chooseVoice(answer, rejected) ?? failAsNotSetUp(request, NO_VOICE, call)
  } catch (error) {
    if (!(error instanceof ProviderError)) throw error
    if (error.kind === 'invalid_input') failAsNotSetUp(request, error.message, call)
    throw error.ambiguous ? withoutCharge(error) : error
  }
}

/** An operator is told; the breaker is not, because people who have chosen a voice need none of the account's. */
function failAsNotSetUp({ provider, operation }: ProviderRequest, message: string, call: CallContext): never {
  const kind = 'misconfigured'
  log('ERROR', 'provider.failed', { provider, operation, correlationId: call.correlationId, kind, technical: message })
  throw new ProviderError(provider, operation, { kind, message })
}

/** What may have been answered unseen has cost nothing. */
function withoutCharge(error: ProviderError): ProviderError {
  const { provider, operation, kind, message, status, retryAfterMs } = error
  return new ProviderError(provider, operation, {
    kind,
    message,
    cause: error,
    ...(status !== undefined && { status }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
}
