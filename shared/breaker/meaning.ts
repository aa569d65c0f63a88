import type { BreakerSettings } from './settings.ts'
import type { ProbeResult, Suspension } from './transitions.ts'

/** What a failed call says about the provider. `ignored`: nothing, such as a refused input. */
export type FailureMeaning = 'failure' | 'ignored' | Suspension

/**
 * What a `classify` said, as a result that may be written down: it is somebody else's code, and one number that is none
 * would make the fleet's document unreadable for everybody. What cannot be understood counts as a failure; a pause of
 * unknown length lasts as long as the recovery.
 */
export function readMeaning(given: unknown, { recoveryMs }: Pick<BreakerSettings, 'recoveryMs'>): FailureMeaning {
  if (given === 'failure' || given === 'ignored') return given
  if (typeof given !== 'object' || given === null || !('reason' in given)) return 'failure'
  const { reason } = given
  if (reason === 'auth' || reason === 'billing' || reason === 'misconfigured') return { reason }
  if (reason !== 'throttled') return 'failure'
  const forMs: unknown = 'forMs' in given ? given.forMs : undefined
  return { reason, forMs: typeof forMs === 'number' && forMs >= 0 ? forMs : recoveryMs }
}

/** The same for how a call ended, as `settle` is told it. */
export function readResult(given: unknown, settings: Pick<BreakerSettings, 'recoveryMs'>): ProbeResult {
  return given === 'success' ? given : readMeaning(given, settings)
}
