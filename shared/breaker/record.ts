import * as z from 'zod'

/**
 * One breaker as Firestore keeps it, in one document; no field needs an index. Times are milliseconds of the store's
 * clock. Every field is always there, so that an update replaces all of them; unknown ones are left alone.
 */
const SCHEMA_VERSION = 1

const BREAKER_STATES = ['closed', 'open', 'half_open'] as const
export type BreakerState = (typeof BREAKER_STATES)[number]

/** Why a breaker is open: too many failures, a wait the provider asked for, a refused key or account, a request that cannot be right, an operator. */
const OPEN_REASONS = ['failures', 'throttled', 'auth', 'billing', 'misconfigured', 'forced'] as const
export type OpenReason = (typeof OPEN_REASONS)[number]

const time = z.number().finite().nonnegative()
const amount = z.int().nonnegative()

const Forced = z.looseObject({
  mode: z.enum(['forced_open', 'forced_closed']),
  by: z.string(),
  reason: z.string(),
  atMs: time,
  untilMs: time.nullable(),
})

const BreakerRecord = z.looseObject({
  schemaVersion: z.literal(SCHEMA_VERSION),
  state: z.enum(BREAKER_STATES),
  /** Grows with every change of state and every lease; a result from before changes nothing. */
  generation: amount,
  changedAtMs: time,
  reason: z.enum(OPEN_REASONS).nullable(),
  /** What led to the present state. */
  failures: amount,
  successes: amount,
  openedAtMs: time.nullable(),
  /** When an open breaker may be probed; null while an operator holds it open without an end. */
  retryAtMs: time.nullable(),
  /** Probes that failed since it was last closed. */
  reopenings: amount,
  /** Probes that succeeded since it was last open. */
  probeSuccesses: amount,
  lease: z.looseObject({ holder: z.string(), untilMs: time }).nullable(),
  /** When it closed by itself; admissions grow from then on. */
  rampSinceMs: time.nullable(),
  /** The results that the fleet published in the window, while the breaker is closed and a failure is within the window. */
  ledger: z.array(z.looseObject({ atMs: time, failures: amount, successes: amount })).max(1000),
  forced: Forced.nullable(),
  /** The latest overrides by operators, oldest first. */
  audit: z.array(
    z.looseObject({
      action: z.enum(['open', 'close', 'auto']),
      by: z.string(),
      reason: z.string(),
      atMs: time,
      untilMs: time.nullable(),
    }),
  ),
  /** How often the document was written, and the ids of the latest writes: a landed write is recognised later on. */
  writeCount: amount,
  writes: z.array(z.string()),
})
export type BreakerRecord = z.infer<typeof BreakerRecord>
export type Forced = z.infer<typeof Forced>
export type AuditEntry = BreakerRecord['audit'][number]

/** A breaker that was never written: closed, and nothing is known. */
export const UNWRITTEN: BreakerRecord = Object.freeze({
  schemaVersion: SCHEMA_VERSION,
  state: 'closed',
  generation: 0,
  changedAtMs: 0,
  reason: null,
  failures: 0,
  successes: 0,
  openedAtMs: null,
  retryAtMs: null,
  reopenings: 0,
  probeSuccesses: 0,
  lease: null,
  rampSinceMs: null,
  ledger: [],
  forced: null,
  audit: [],
  writeCount: 0,
  writes: [],
})

/**
 * A stored document as a record. `foreign`: written by a newer version of this program, to be left alone. `corrupt`:
 * written by nobody we know, to be replaced.
 */
export type ParsedRecord = { kind: 'record'; record: BreakerRecord } | { kind: 'foreign' } | { kind: 'corrupt' }

export function parseRecord(data: unknown): ParsedRecord {
  const parsed = BreakerRecord.safeParse(data)
  if (parsed.success) return { kind: 'record', record: parsed.data }
  const version = z.object({ schemaVersion: z.int() }).safeParse(data)
  return { kind: version.success && version.data.schemaVersion > SCHEMA_VERSION ? 'foreign' : 'corrupt' }
}

/** The override that holds at a time: one with an end is over when its time has come, whether anybody wrote that or not. */
export function overrideAt({ forced }: BreakerRecord, nowMs: number): Forced | null {
  return forced !== null && (forced.untilMs === null || nowMs < forced.untilMs) ? forced : null
}
