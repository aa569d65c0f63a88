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
  /** For how long a probe has its lease at a time: a prober that died blocks the next for as long. */
  readonly probeLeaseMs: number
  /** How long a probe may take in all, unless its call says otherwise: it renews its lease so long, and is then aborted. */
  readonly probeMaxMs: number
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
  probeMaxMs: 600_000,
} as const

/** The ramp follows the recovery unless it is given: a breaker that is tuned to recover fast also fills up fast. */
const RAMP_SHARE_OF_RECOVERY = 1 / 6

type Range = { readonly expected: string; readonly has: (value: number) => boolean }

/** The longest that a timer of Node can wait, about 24.8 days. */
const TIME_MS_MAX = 2 ** 31 - 1
const WHOLE: Range = { expected: 'a whole number from 1 on', has: (value) => Number.isSafeInteger(value) && value >= 1 }
const SHARE: Range = { expected: 'a share from 0 to 1', has: (value) => value >= 0 && value <= 1 }
const DURATION: Range = {
  expected: `milliseconds from 0 to ${TIME_MS_MAX}`,
  has: (value) => value >= 0 && value <= TIME_MS_MAX,
}
const SOME_TIME: Range = {
  expected: `milliseconds above 0, up to ${TIME_MS_MAX}`,
  has: (ms) => ms > 0 && DURATION.has(ms),
}
/** No timer waits for its end. */
const ANY_TIME: Range = { expected: 'milliseconds above 0', has: (ms) => ms > 0 && Number.isFinite(ms) }

const RANGES: Readonly<Record<keyof BreakerSettings, Range>> = {
  failureThreshold: WHOLE,
  windowMs: SOME_TIME,
  minFailureRate: SHARE,
  confirmMs: DURATION,
  recoveryMs: SOME_TIME,
  recoveryMaxMs: SOME_TIME,
  successesToClose: WHOLE,
  rampMs: DURATION,
  cacheTtlMs: DURATION,
  throttleMaxMs: DURATION,
  slowCallMs: SOME_TIME,
  probeLeaseMs: SOME_TIME,
  probeMaxMs: SOME_TIME,
}

/**
 * Settings as one breaker goes by them; one that is absent, or undefined, has its default.
 * @throws RangeError naming the first setting that cannot be, and what was expected
 */
export function breakerSettings(given: Partial<BreakerSettings> = {}): BreakerSettings {
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  for (const [name, value] of set) {
    const range = Object.hasOwn(RANGES, name) ? RANGES[name as keyof BreakerSettings] : undefined
    if (range === undefined) throw new RangeError(`${name}: there is no such setting of a circuit breaker`)
    requireWithin(name, value, range)
  }
  const settings = { ...BREAKER_DEFAULTS, ...(Object.fromEntries(set) as Partial<BreakerSettings>) }
  return Object.freeze({
    ...settings,
    recoveryMaxMs: Math.max(settings.recoveryMs, settings.recoveryMaxMs),
    rampMs: given.rampMs ?? settings.recoveryMs * RAMP_SHARE_OF_RECOVERY,
  })
}

/** How long one call may hold the probe. @throws RangeError */
export function requireLease(leaseMs: number): number {
  return requireWithin('leaseMs', leaseMs, SOME_TIME)
}

/** How long an operator's override holds; undefined for no end. @throws RangeError */
export function requireOverrideTime(forMs: number | undefined): number | undefined {
  return forMs === undefined ? undefined : requireWithin('forMs', forMs, ANY_TIME)
}

/** https://firebase.google.com/docs/firestore/quotas, document ids. */
const NAME_BYTES_MAX = 1500

/**
 * A breaker's name is also the name of its document, so it must be one that Firestore takes.
 * @throws RangeError
 */
export function requireName(name: string): string {
  const keeps =
    typeof name === 'string' &&
    name !== '' &&
    !name.includes('/') &&
    !/^\.{1,2}$|^__.*__$/.test(name) &&
    Buffer.byteLength(name) <= NAME_BYTES_MAX &&
    name.isWellFormed()
  if (keeps) return name
  const expected = `1 to ${NAME_BYTES_MAX} bytes of text without a slash, and none of ".", ".." and "__…__"`
  throw new RangeError(`the name of a circuit breaker: expected ${expected}, got ${describe(name)}`)
}

function requireWithin(name: string, value: unknown, { expected, has }: Range): number {
  if (typeof value === 'number' && has(value)) return value
  throw new RangeError(`${name}: expected ${expected}, got ${describe(value)}`)
}

function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value)
}
