import type { ProviderName } from '../../shared/providers/providers.ts'

/** What a visit to each provider costs at its published prices of November 2026, rounded up, in US cents. */
export const VISIT_COSTS: Readonly<Record<ProviderName, { readonly cents: number; readonly why: string }>> = {
  assemblyai: { cents: 0.1, why: '11 s of audio' },
  gemini: { cents: 0.2, why: 'about 400 tokens in, at most 1,000 out' },
  elevenlabs: { cents: 1, why: '6 characters spoken, 11 s of audio heard' },
  auphonic: { cents: 8, why: 'credits for 3 minutes, the least that a production takes' },
}
