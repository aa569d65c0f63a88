import { log } from '../../telemetry/log.ts'
import type { Check, Findings } from './check.ts'

/** What an account has left of what it pays for. */
export type CreditsLeft = { left: number; unit: string; low: boolean }

/** A provider as health looks at it. */
export type CheckedProvider = {
  name: string
  /** What people notice while it cannot be used. */
  meaning: string
  /** Asks for something that is free. @returns undefined when it does not say what is left */
  check: (signal: AbortSignal) => Promise<CreditsLeft | undefined>
}

/** Their checks are free, and still their servers' work: once a minute per instance is enough. */
const FRESH = { pass: 60_000, other: 15_000 }

/** Whether each provider answers, takes our key, and has been paid. */
export function providerChecks(providers: readonly CheckedProvider[]): Check[] {
  return providers.map((provider) => ({
    name: `${provider.name}:account`,
    componentType: 'component',
    critical: false,
    freshMs: FRESH,
    meaning: provider.meaning,
    look: async (signal) => judgeCredits(provider, await provider.check(signal)),
  }))
}

function judgeCredits({ name, meaning }: CheckedProvider, credits: CreditsLeft | undefined): Findings {
  if (credits === undefined) return { '': { status: 'pass' } }
  const { left, unit, low } = credits
  if (low) log('WARNING', 'provider.credits_low', { provider: name, left, unit })
  return {
    credits: {
      status: low ? 'warn' : 'pass',
      observedValue: left,
      observedUnit: unit,
      ...(low && { output: 'little is left of what was paid for', meaning: `soon ${meaning}` }),
    },
  }
}
