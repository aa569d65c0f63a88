import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import { count, merged, shifted, suspectSinceMs, suspectUntilMs, tooMany, totalsOf } from './counts.ts'
import type { Bucket } from './counts.ts'
import type { Change, FleetRecord } from './fleet-record.ts'
import { forcedAt } from './record.ts'
import type { BreakerSettings } from './settings.ts'
import { report, WRITES_REMEMBERED } from './transitions.ts'
import type { Batch } from './transitions.ts'

/** How often an instance reports at most, and how seldom it does while others are always faster. */
/** A failure of the fleet is heard of within the TTL and this. */
const RECENT_MS = 1000
const RECENT_SLICE_MS = 20
const REPORT_EVERY_MS = { least: 1000, most: 8000 }

/**
 * How calls of this instance ended while the breaker was closed, and what the fleet has not been told of it. While no
 * failure is within the window nothing is told; from the fleet's first failure on successes are, too, which is what tells
 * one failure in a hundred from an outage.
 */
export class Results {
  readonly #fleet: FleetRecord
  readonly #settings: BreakerSettings
  readonly #clock: Clock
  /** Of which generation the results are; those of any other change nothing. */
  #generation = 0
  #counting = true
  /** Not told yet; and told, without knowing whether it was heard. On the monotonic clock. */
  #pending: Bucket[] = []
  #batches: (Batch & { recent: Bucket[]; writeCount: number })[] = []
  /** Successes of the last moments, for when it turns out that the fleet has had a failure meanwhile. */
  #recent: Bucket[] = []
  /** A failure is within the window until then: successes are reported as well. */
  #suspectUntilMs = Number.NEGATIVE_INFINITY
  /** Too many failures as far as this instance can tell: it opens at once, before the fleet agrees. */
  #shieldUntilMs = Number.NEGATIVE_INFINITY
  #reporting: Promise<void> | undefined
  #reportAtMs = Number.NEGATIVE_INFINITY
  #reportEveryMs = REPORT_EVERY_MS.least

  constructor(fleet: FleetRecord, settings: BreakerSettings, clock: Clock) {
    this.#fleet = fleet
    this.#settings = settings
    this.#clock = clock
  }

  get shielded(): boolean {
    return this.#clock.monotonicMs() < this.#shieldUntilMs
  }

  get shieldEndsInMs(): number {
    return this.#shieldUntilMs - this.#clock.monotonicMs()
  }

  /** @returns the report that is due with it, if one is */
  succeeded(generation: number): Promise<void> | undefined {
    if (generation !== this.#generation || !this.#counting) return undefined
    const nowMs = this.#clock.monotonicMs()
    // What went well before the fleet's first failure says nothing about what has happened since.
    if (nowMs >= this.#suspectUntilMs) {
      count(this.#recent, 'successes', nowMs, this.#settings.cacheTtlMs + RECENT_MS, RECENT_SLICE_MS)
      return undefined
    }
    count(this.#pending, 'successes', nowMs, this.#settings.windowMs)
    return nowMs >= this.#reportAtMs ? this.#report(false) : undefined
  }

  /** @returns the report that is due with it, if one is */
  failed(generation: number): Promise<void> | undefined {
    if (generation !== this.#generation || !this.#counting) return undefined
    const nowMs = this.#clock.monotonicMs()
    count(this.#pending, 'failures', nowMs, this.#settings.windowMs)
    this.#suspectUntilMs = nowMs + this.#settings.windowMs
    const opens = !this.shielded && this.#reasonToOpen()
    if (opens) this.#shieldUntilMs = nowMs + this.#settings.recoveryMs
    return opens || nowMs >= this.#reportAtMs ? this.#report(opens) : undefined
  }

  /** Opened by itself, and could not tell the fleet: tries again. @returns undefined when there is nothing to tell */
  argue(): Promise<void> | undefined {
    return this.shielded && this.#clock.monotonicMs() >= this.#reportAtMs ? this.#report(true) : undefined
  }

  /** Takes notice of what the fleet's record says now. */
  seen(): void {
    const { record, nowMs, offsetMs } = this.#fleet
    if (record.generation !== this.#generation) {
      this.#generation = record.generation
      this.#pending = []
      this.#batches = []
      this.#recent = []
      this.#shieldUntilMs = Number.NEGATIVE_INFINITY
      this.#suspectUntilMs = Number.NEGATIVE_INFINITY
    }
    this.#batches = this.#batches.filter(({ id }) => !record.writes.includes(id))
    this.#counting = forcedAt(record, nowMs) === null
    const suspectUntil = suspectUntilMs(record.ledger, this.#settings.windowMs) - offsetMs
    this.#suspectUntilMs = Math.max(this.#suspectUntilMs, suspectUntil)
    // The fleet has more to go by than this instance.
    if (this.shielded && !this.#reasonToOpen()) this.#shieldUntilMs = Number.NEGATIVE_INFINITY
  }

  #reasonToOpen(): boolean {
    const known = [this.#fleet.record.ledger, shifted(this.#untold(), this.#fleet.offsetMs)]
    return tooMany(totalsOf(merged(known, this.#fleet.nowMs, this.#settings.windowMs)), this.#settings)
  }

  #untold(): Bucket[] {
    const countings = [...this.#batches.map(({ buckets }) => buckets), this.#pending]
    return merged(countings, this.#clock.monotonicMs(), this.#settings.windowMs)
  }

  /** One report at a time; one that may open the breaker waits its turn. */
  async #report(urgent: boolean): Promise<void> {
    if (this.#reporting !== undefined) {
      if (!urgent) return
      await this.#reporting
      if (!this.shielded) return
    }
    this.#reporting = this.#reportOnce().finally(() => (this.#reporting = undefined))
    await this.#reporting
  }

  async #reportOnce(): Promise<void> {
    this.#reportAtMs = this.#clock.monotonicMs() + this.#reportEveryMs
    const change = await this.#tell()
    if (change === 'landed' && this.shielded && this.#fleet.record.state === 'closed') {
      await this.#pause(this.#settings.confirmMs)
      if (this.shielded) await this.#tell()
    }
    const contended = change === 'contended'
    this.#reportEveryMs = contended ? Math.min(REPORT_EVERY_MS.most, this.#reportEveryMs * 2) : REPORT_EVERY_MS.least
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve))
  }

  #tell(): Promise<Change> {
    const id = randomUUID()
    // Without a store it counts here all the same, and is kept for later unless it opens this instance by itself.
    if (!this.#fleet.reachable) return this.#change(id, [{ id, buckets: this.#untold(), recent: [] }])
    const { writeCount } = this.#fleet.record
    // So many writes later nobody can tell whether a batch was among them.
    const tellable = this.#batches.filter((batch) => writeCount - batch.writeCount < WRITES_REMEMBERED / 2)
    this.#batches = [...tellable, { id, buckets: this.#pending, recent: this.#recent, writeCount }]
    this.#pending = []
    this.#recent = []
    return this.#change(id, this.#batches)
  }

  #change(id: string, batches: readonly (Batch & { recent: readonly Bucket[] })[]): Promise<Change> {
    const generation = this.#generation
    return this.#fleet.change(
      id,
      (record, nowMs) => {
        const { offsetMs } = this.#fleet
        const sinceMs = suspectSinceMs(record.ledger) - offsetMs
        const told = batches.map((batch) => {
          const recent = batch.recent.filter(({ atMs }) => atMs >= sinceMs)
          return { id: batch.id, buckets: shifted([...recent, ...batch.buckets], offsetMs) }
        })
        return report(record, { generation, batches: told }, nowMs, this.#settings)
      },
      { alone: 'transitions', insist: false },
    )
  }
}
