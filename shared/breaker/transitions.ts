import { isReasonToOpen, mergeCounts, suspectSinceMs, totalsOf } from './counts.ts'
import type { Bucket, Totals } from './counts.ts'
import { overrideAt } from './record.ts'
import type { AuditEntry, BreakerRecord, BreakerState, OpenReason } from './record.ts'
import type { BreakerSettings } from './settings.ts'

/**
 * The life of a breaker as pure functions: (record, event, now) -> record, or undefined when the event changes nothing
 * because it belongs to an earlier generation, to somebody else's lease, or to a breaker that an operator holds. `now`
 * is the store's clock. Nothing here reads a clock, makes an id or touches the network.
 */
export type Decision = { record: BreakerRecord; event?: BreakerEvent }

/** One transition, with the figures that led to it. The same breaker and generation again: the same transition. */
export type BreakerEvent = {
  readonly type: 'opened' | 'half_open' | 'closed' | 'forced'
  readonly generation: number
  readonly from: BreakerState
  readonly state: BreakerState
  readonly atMs: number
  readonly reason: OpenReason | null
  readonly failures: number
  readonly successes: number
  readonly reopenings: number
  readonly retryAtMs: number | null
  /** How long it was open, or half-open, until this transition. */
  readonly unavailableMs: number | null
  /** The operator and their words. */
  readonly by?: string
  readonly why?: string
}

/** Results that one instance collected; `id` makes counting them twice impossible. */
export type Batch = { readonly id: string; readonly buckets: readonly Bucket[] }
export type ProbeResult = 'success' | 'failure' | 'ignored' | Suspension
/** What keeps a provider from being called without being a failure of it. */
export type Suspension =
  { readonly reason: 'throttled'; readonly forMs: number } | { readonly reason: 'auth' | 'billing' | 'misconfigured' }
export type Override = {
  readonly action: AuditEntry['action']
  readonly by: string
  readonly reason: string
  readonly forMs?: number | undefined
}

/** What a call may do now. `share`: of those that ask, so many may go on. */
export type AdmissionDecision =
  { kind: 'admit'; share: number } | { kind: 'probe' } | { kind: 'reject'; untilMs: number | null; reason: OpenReason }

/** With so few successes beside them the failures of several instances need no confirmation. */
const SUCCESSES_PER_FAILURE_AT_ONCE = 0.1
const RAMP_SHARE_MIN = 0.1
const REOPENING_JITTER = 0.15
export const WRITES_REMEMBERED = 64
const AUDIT_KEPT = 20

export function decideAdmission(record: BreakerRecord, nowMs: number, settings: BreakerSettings): AdmissionDecision {
  const forced = overrideAt(record, nowMs)
  if (forced?.mode === 'forced_closed') return { kind: 'admit', share: 1 }
  if (forced !== null) return { kind: 'reject', untilMs: forced.untilMs, reason: 'forced' }
  const reason = record.reason ?? 'failures'
  switch (record.state) {
    case 'closed':
      return { kind: 'admit', share: rampShare(record, nowMs, settings) }
    case 'open':
      return record.retryAtMs !== null && nowMs >= record.retryAtMs
        ? { kind: 'probe' }
        : { kind: 'reject', untilMs: record.retryAtMs, reason }
    case 'half_open':
      return record.lease === null || nowMs >= record.lease.untilMs
        ? { kind: 'probe' }
        : { kind: 'reject', untilMs: record.lease.untilMs, reason }
  }
}

/** The share of calls admitted while the provider's backlog is let through step by step. */
function rampShare({ rampSinceMs }: BreakerRecord, nowMs: number, { rampMs }: BreakerSettings): number {
  if (rampSinceMs === null || nowMs >= rampSinceMs + rampMs) return 1
  return Math.max(RAMP_SHARE_MIN, (nowMs - rampSinceMs) / rampMs)
}

/** Adds these results to those that the fleet has published, and opens the breaker when there is reason to. */
export function publish(
  record: BreakerRecord,
  { generation, batches }: { generation: number; batches: readonly Batch[] },
  nowMs: number,
  settings: BreakerSettings,
): Decision | undefined {
  const fresh = batches.filter(({ id }) => !record.writes.includes(id))
  if (!isCounting(record, generation, nowMs) || fresh.length === 0) return undefined
  const ledger = mergeCounts([record.ledger, ...fresh.map(({ buckets }) => buckets)], nowMs, settings.windowMs)
  const totals = totalsOf(ledger)
  const ids = fresh.map(({ id }) => id)
  const own = totalsOf(fresh.flatMap(({ buckets }) => [...buckets]))
  const oneSided = totals.successes <= totals.failures * SUCCESSES_PER_FAILURE_AT_ONCE
  const confirmed = oneSided || isReasonToOpen(own, settings) || nowMs - suspectSinceMs(ledger) >= settings.confirmMs
  if (isReasonToOpen(totals, settings) && confirmed)
    return open(addWrites(record, ids), { reason: 'failures', ...totals }, settings.recoveryMs, nowMs)
  return { record: { ...addWrites(record, ids), ledger } }
}

/** The provider asked for a pause, or refuses our key, our account or how we are set up to ask. */
export function suspend(
  record: BreakerRecord,
  { generation, id, suspension }: { generation: number; id: string; suspension: Suspension },
  nowMs: number,
  settings: BreakerSettings,
): Decision | undefined {
  if (!isCounting(record, generation, nowMs) || record.writes.includes(id)) return undefined
  const cause = { reason: suspension.reason, ...totalsOf(record.ledger) }
  return open(addWrites(record, [id]), cause, suspensionMs(suspension, settings), nowMs)
}

/** Takes the lease of the one call that tests whether the provider is well again. Undefined: it is not due, or taken. */
export function acquireProbe(
  record: BreakerRecord,
  { id, leaseMs }: { id: string; leaseMs: number },
  nowMs: number,
  settings: BreakerSettings,
): Decision | undefined {
  if (decideAdmission(record, nowMs, settings).kind !== 'probe') return undefined
  const wasOpen = record.state === 'open'
  return move(
    addWrites(record, [id]),
    {
      state: 'half_open',
      forced: null,
      lease: { holder: id, untilMs: nowMs + leaseMs },
      probeSuccesses: wasOpen ? 0 : record.probeSuccesses,
    },
    nowMs,
    'half_open',
  )
}

/** Its call goes on, so the probe keeps its lease. Undefined: the lease is not the one that counts any more. */
export function renewProbe(
  record: BreakerRecord,
  { id, holder, leaseMs }: { id: string; holder: string; leaseMs: number },
  nowMs: number,
): Decision | undefined {
  if (record.state !== 'half_open' || record.lease?.holder !== holder || overrideAt(record, nowMs) !== null)
    return undefined
  return { record: { ...addWrites(record, [id]), lease: { holder, untilMs: nowMs + leaseMs } } }
}

/** How a probe ended. Undefined: its lease is not the one that counts any more. */
export function settleProbe(
  record: BreakerRecord,
  { id, holder, result }: { id: string; holder: string; result: ProbeResult },
  nowMs: number,
  { settings, random }: { settings: BreakerSettings; random: () => number },
): Decision | undefined {
  if (record.state !== 'half_open' || record.lease?.holder !== holder || overrideAt(record, nowMs) !== null)
    return undefined
  const settled = addWrites(record, [id])
  if (result === 'ignored') return move(settled, { lease: null }, nowMs)
  if (result === 'success') {
    const probeSuccesses = record.probeSuccesses + 1
    if (probeSuccesses < settings.successesToClose) return move(settled, { lease: null, probeSuccesses }, nowMs)
    return move(settled, { ...CLOSED, rampSinceMs: nowMs, failures: 0, successes: probeSuccesses }, nowMs, 'closed')
  }
  const figures = { failures: record.failures + 1, successes: record.successes + record.probeSuccesses }
  const reason = result === 'failure' ? 'failures' : result.reason
  if (result !== 'failure' && result.reason === 'throttled')
    return open(settled, { reason, ...figures }, suspensionMs(result, settings), nowMs)
  const reopenings = record.reopenings + 1
  return open({ ...settled, reopenings }, { reason, ...figures }, reopenMs(settings, reopenings, random), nowMs)
}

/** An operator's override; it holds until its end, or until the next one. */
export function applyOverride(record: BreakerRecord, id: string, override: Override, nowMs: number): Decision {
  const { action, by, reason, forMs } = override
  const untilMs = forMs === undefined ? null : nowMs + forMs
  const audit = [...record.audit, { action, by, reason, atMs: nowMs, untilMs }].slice(-AUDIT_KEPT)
  const audited = { ...addWrites(record, [id]), audit }
  const forceTo = (mode: 'forced_open' | 'forced_closed') => ({ mode, by, reason, atMs: nowMs, untilMs })
  const { record: next, event } = move(audited, afterOverride(), nowMs, 'forced')
  return { record: next, ...(event && { event: { ...event, by, why: reason } }) }

  function afterOverride(): Partial<BreakerRecord> {
    switch (action) {
      case 'open':
        return { ...OPENED, reason: 'forced', openedAtMs: nowMs, retryAtMs: untilMs, forced: forceTo('forced_open') }
      case 'close':
        return { ...CLOSED, failures: 0, successes: 0, forced: forceTo('forced_closed') }
      case 'auto':
        // Whoever was kept out may find out at once whether the provider is well.
        return { forced: null, ...(record.reason === 'forced' && { retryAtMs: nowMs }) }
    }
  }
}

/**
 * An instance that had no store opened by itself and has it back: the fleet gets to know, unless it has moved on since
 * that instance saw it last.
 */
export function carryOver(
  record: BreakerRecord,
  { id, seen, local }: { id: string; seen: BreakerRecord; local: BreakerRecord },
  nowMs: number,
): Decision | undefined {
  const { reason, retryAtMs, failures, successes } = local
  const stillOpen = local.state === 'open' && reason !== null && retryAtMs !== null && retryAtMs > nowMs
  if (!stillOpen || !isCounting(record, seen.generation, nowMs)) return undefined
  return open(addWrites(record, [id]), { reason, failures, successes }, retryAtMs - nowMs, nowMs)
}

const CLOSED = {
  state: 'closed',
  reason: null,
  openedAtMs: null,
  retryAtMs: null,
  reopenings: 0,
  probeSuccesses: 0,
  lease: null,
  rampSinceMs: null,
  ledger: [],
} satisfies Partial<BreakerRecord>

const OPENED = {
  state: 'open',
  failures: 0,
  successes: 0,
  reopenings: 0,
  probeSuccesses: 0,
  lease: null,
  rampSinceMs: null,
  ledger: [],
} satisfies Partial<BreakerRecord>

/** Whether results of calls admitted in that generation count now. */
function isCounting(record: BreakerRecord, generation: number, nowMs: number): boolean {
  return record.state === 'closed' && record.generation === generation && overrideAt(record, nowMs) === null
}

function open(record: BreakerRecord, cause: { reason: OpenReason } & Totals, openMs: number, nowMs: number): Decision {
  const { reopenings } = record
  const openedAtMs = record.state === 'closed' ? nowMs : (record.openedAtMs ?? nowMs)
  const times = { openedAtMs, retryAtMs: nowMs + openMs }
  return move(record, { ...OPENED, ...cause, ...times, reopenings, forced: null }, nowMs, 'opened')
}

/**
 * A new generation. It also outgrows the clock, so that the generations of a document that was deleted and made again
 * are never used twice.
 */
function move(
  record: BreakerRecord,
  changes: Partial<BreakerRecord>,
  nowMs: number,
  type?: BreakerEvent['type'],
): Decision {
  const generation = Math.max(record.generation + 1, Math.floor(nowMs))
  const next = { ...record, ...changes, generation, changedAtMs: nowMs }
  if (type === undefined) return { record: next }
  const { state, reason, failures, successes, reopenings, retryAtMs } = next
  const since = record.openedAtMs
  const unavailableMs = since === null || record.state === 'closed' ? null : Math.max(0, nowMs - since)
  const figures = { failures, successes, reopenings, retryAtMs, unavailableMs }
  return { record: next, event: { type, generation, from: record.state, state, atMs: nowMs, reason, ...figures } }
}

/** Every write leaves its ids, so that it can be recognised when its acknowledgement was lost. */
function addWrites(record: BreakerRecord, ids: readonly string[]): BreakerRecord {
  return { ...record, writeCount: record.writeCount + 1, writes: [...record.writes, ...ids].slice(-WRITES_REMEMBERED) }
}

function suspensionMs(suspension: Suspension, settings: BreakerSettings): number {
  return suspension.reason === 'throttled' ? Math.min(suspension.forMs, settings.throttleMaxMs) : settings.recoveryMs
}

/** Doubled with every failed probe and capped; the jitter keeps the fleets of several projects apart. */
function reopenMs({ recoveryMs, recoveryMaxMs }: BreakerSettings, reopenings: number, random: () => number): number {
  const ms = Math.min(recoveryMaxMs, recoveryMs * 2 ** Math.min(reopenings, 30))
  return ms * (1 - REOPENING_JITTER + 2 * REOPENING_JITTER * random())
}
