import { randomUUID } from 'node:crypto'

import { systemClock, resultWithin } from './clock.ts'
import { compareAndSet } from './compare-and-set.ts'
import { totalsOf } from './counts.ts'
import { overrideAt, parseRecord, UNWRITTEN } from './record.ts'
import type { BreakerRecord, BreakerState } from './record.ts'
import { requireOverrideTime } from './settings.ts'
import type { BreakerStore } from './store.ts'
import { applyOverride } from './transitions.ts'
import type { BreakerEvent, Override, Decision } from './transitions.ts'

/** One breaker as people see it. */
export type BreakerStatus = {
  name: string
  state: BreakerState
  mode: 'auto' | 'forced_open' | 'forced_closed'
  /** Why it is open, or the operator's words while it is forced. */
  reason?: string
  failures: number
  successes: number
  openedAtMs?: number
  retryAtMs?: number
  changedAtMs: number
  changedBy?: string
  forcedUntilMs?: number
  generation: number
  /** The latest overrides by operators, newest first. */
  audit: BreakerRecord['audit']
  /** The document cannot be read: instances go by what they know, and the next change replaces it. */
  unreadable?: true
}

/** A record at one version of the store's, as it was at `serverMs` of the store's clock. */
type ReadVersion = { record: BreakerRecord; writes: readonly string[]; version: unknown; serverMs: number }

const STORE_WAIT_MS = 5000

/** What operators see of a fleet's breakers, and how they override them. Unlike calls, it needs the store. */
export class BreakerControl {
  readonly #store: BreakerStore
  readonly #onEvent: (event: BreakerEvent & { breaker: string; local: boolean }) => void

  constructor(store: BreakerStore, onEvent: (event: BreakerEvent & { breaker: string; local: boolean }) => void) {
    this.#store = store
    this.#onEvent = onEvent
  }

  /** @throws what the store throws when it cannot be used */
  async status(name: string): Promise<BreakerStatus> {
    const { record, serverMs, unreadable } = await this.#read(name)
    return { ...statusOf(name, record, serverMs), ...(unreadable && { unreadable }) }
  }

  /**
   * Overrides a breaker for the whole fleet, within the TTL of its instances and until the override ends.
   * @throws what the store throws when it cannot be used; RangeError for an end that is no time
   */
  async override(name: string, override: Override): Promise<BreakerStatus> {
    requireOverrideTime(override.forMs)
    const writeId = randomUUID()
    const end = await compareAndSet<ReadVersion, Decision>({
      writeId,
      read: () => this.#readOurs(name),
      decide: ({ record, serverMs }) => applyOverride(record, writeId, override, serverMs),
      write: async ({ version, serverMs }, { record }) => {
        const write = this.#store.write(name, record, version)
        const written = await resultWithin(systemClock, STORE_WAIT_MS, write)
        return written === 'lost' ? 'lost' : { record, writes: record.writes, version: written.version, serverMs }
      },
    })
    if (end.kind === 'absent' || end.kind === 'contended')
      throw new Error(`the record of '${name}' is being changed too fast`)
    const { event } = end.decision
    if (event !== undefined) this.#onEvent({ ...event, breaker: name, local: false })
    return statusOf(name, end.version.record, end.version.serverMs)
  }

  /** @throws Error when a newer program wrote it, which alone knows how to change it */
  async #readOurs(name: string): Promise<ReadVersion> {
    const { record, version, serverMs, foreign } = await this.#read(name)
    if (foreign) throw new Error(`the record of '${name}' was written by a newer version`)
    return { record, writes: record.writes, version, serverMs }
  }

  async #read(name: string) {
    const { stored, serverMs } = await resultWithin(systemClock, STORE_WAIT_MS, this.#store.read(name))
    const parsed = stored === undefined ? undefined : parseRecord(stored.data)
    const record = parsed?.kind === 'record' ? parsed.record : UNWRITTEN
    const unreadable = parsed !== undefined && parsed.kind !== 'record' ? (true as const) : undefined
    return { record, version: stored?.version, serverMs, unreadable, foreign: parsed?.kind === 'foreign' }
  }
}

function statusOf(name: string, record: BreakerRecord, nowMs: number): BreakerStatus {
  const forced = overrideAt(record, nowMs)
  const { state, reason, openedAtMs, retryAtMs, changedAtMs, generation, audit } = record
  const totals = state === 'closed' ? totalsOf(record.ledger) : record
  const lastOverride = audit.at(-1)
  const isLastChange = lastOverride !== undefined && lastOverride.atMs === changedAtMs
  return {
    name,
    state,
    mode: forced?.mode ?? 'auto',
    ...((forced ?? reason) !== null && { reason: forced?.reason ?? reason ?? '' }),
    failures: totals.failures,
    successes: totals.successes,
    ...(openedAtMs !== null && { openedAtMs }),
    ...(retryAtMs !== null && { retryAtMs }),
    changedAtMs,
    ...(isLastChange && { changedBy: lastOverride.by }),
    ...(forced !== null && forced.untilMs !== null && { forcedUntilMs: forced.untilMs }),
    generation,
    audit: audit.toReversed(),
  }
}
