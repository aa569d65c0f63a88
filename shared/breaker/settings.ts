/** How one breaker behaves. Every default is in BREAKER_DEFAULTS; times are milliseconds. */
export type BreakerSettings = {
  /** It opens at this many failures within the window … */
  readonly failureThreshold: number
  readonly windowMs: number
  /** … when at least this share of the results published in the window are failures; 0 to 1. */
  readonly minFailureRate: number
  /**
   * Failures that only several instances together have had, with successes among them, open it no sooner than this after
   * the first: until then the successes of others are on their way. Each instance protects itself meanwhile.
   */
  readonly confirmMs: number
  /** How long it stays open at first. Every failed probe doubles it, with jitter, up to `recoveryMaxMs`. */
  readonly recoveryMs: number
  readonly recoveryMaxMs: number
  /** Probes that must succeed before it closes. */
  readonly successesToClose: number
  /** After closing by itself it admits a growing share of the calls for this long; 0 admits all at once. */
  readonly rampMs: number
  /** How old the fleet's state may be for a call to go by it. */
  readonly cacheTtlMs: number
  /** The longest a provider's own Retry-After can keep it open. */
  readonly throttleMaxMs: number
  /** A call that succeeds, but not within this time, is a failure. */
  readonly slowCallMs: number | undefined
  /** How long a probe may take, unless its call says otherwise; a prober that died blocks the next for as long. */
  readonly probeLeaseMs: number
}

const BREAKER_DEFAULTS = {
  failureThreshold: 5,
  windowMs: 60_000,
  minFailureRate: 0.5,
  confirmMs: 1000,
  recoveryMs: 60_000,
  recoveryMaxMs: 300_000,
  successesToClose: 1,
  cacheTtlMs: 2_000,
  throttleMaxMs: 900_000,
  slowCallMs: undefined,
  probeLeaseMs: 30_000,
} as const

/** The ramp follows the recovery unless it is given: a breaker that is tuned to recover fast also fills up fast. */
const RAMP_SHARE_OF_RECOVERY = 1 / 6

export function breakerSettings(given: Partial<BreakerSettings> = {}): BreakerSettings {
  const settings = { ...BREAKER_DEFAULTS, ...given }
  return Object.freeze({
    ...settings,
    recoveryMaxMs: Math.max(settings.recoveryMs, settings.recoveryMaxMs),
    rampMs: given.rampMs ?? settings.recoveryMs * RAMP_SHARE_OF_RECOVERY,
  })
}
