import { PROVIDERS } from '../../config.ts'
import type { ProviderName } from '../../config.ts'
import type { CreditsLeft } from '../../providers/http.ts'
import { log } from '../../telemetry/log.ts'
import type { Check, Findings } from './check.ts'
import { WITHOUT } from './cloud-checks.ts'

export type Checked = { check: (signal: AbortSignal) => Promise<CreditsLeft | undefined> }

/** Their checks are free, and still their servers' work: once a minute per instance is enough. */
const FRESH = { pass: 60_000, other: 15_000 }

/** Whether each provider answers, takes our key, and has been paid. */
export function providerChecks(providers: Record<ProviderName, Checked>): Check[] {
  return PROVIDERS.map((name) => ({
    name: `${name}:account`,
    componentType: 'component',
    critical: false,
    freshMs: FRESH,
    meaning: WITHOUT[name] ?? '',
    look: async (signal) => findings(name, await providers[name].check(signal)),
  }))
}

function findings(name: ProviderName, credits: CreditsLeft | undefined): Findings {
  if (credits === undefined) return { '': { status: 'pass' } }
  const { left, unit, low } = credits
  if (low) log('WARNING', 'provider.credits_low', { provider: name, left, unit })
  return {
    credits: {
      status: low ? 'warn' : 'pass',
      observedValue: left,
      observedUnit: unit,
      ...(low && { output: 'little is left of what was paid for', meaning: `soon ${WITHOUT[name]}` }),
    },
  }
}
