import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import {
  count,
  isReasonToOpen,
  mergeCounts,
  shiftCounts,
  spanOf,
  suspectSinceMs,
  suspectUntilMs,
  totalsOf,
} from './counts.ts'
import type { Bucket, Span } from './counts.ts'
import type { Change, FleetRecord } from './fleet-record.ts'
import { overrideAt } from './record.ts'
import type { BreakerSettings } from './settings.ts'
import { publish, WRITES_REMEMBERED } from './transitions.ts'
import type { Batch } from './transitions.ts'

/** An instance learns of a failure of the fleet within the TTL and this. */
const RECENT_MS = 1000
const RECENT_SLICE_MS = 20
/** How often an instance publishes at most, and how seldom it does while others are always faster. */
const PUBLISH_EVERY_MS = { least: 1000, most: 8000 }

/**
 * How calls of this instance ended while the breaker was closed, and which of these results are not published yet. While
 * no failure is within the window nothing is published. From the fleet's first failure on successes are published too:
 * they tell one failure in a hundred from an outage.
 */
export class Results {
  readonly #fleet: FleetRecord
  readonly #settings: BreakerSettings
  readonly #clock: Clock
  readonly #span: Span
  readonly #recentSpan: Span
  /** Of which generation the results are; those of any other change nothing. */
  #generation = 0
  #counting = true
  /** Results not published yet, and batches published without knowing whether they landed. On the monotonic clock. */
  #pending: Bucket[] = []
  #batches: (Batch & { recent: Bucket[]; writeCount: number })[] = []
  /** Successes of the last moments, for when it turns out that the fleet has had a failure meanwhile. */
  #recent: Bucket[] = []
  /** A failure is within the window until then: successes are published as well. */
  #suspectUntilMs = Number.NEGATIVE_INFINITY
  /** Too many failures as far as this instance can tell: it opens at once, before the fleet agrees. */
  #shieldUntilMs = Number.NEGATIVE_INFINITY
  #publishing: Promise<void> | undefined
  #publishAtMs = Number.NEGATIVE_INFINITY
  #publishEveryMs = PUBLISH_EVERY_MS.least

  constructor(fleet: FleetRecord, settings: BreakerSettings, clock: Clock) {
    this.#fleet = fleet
    this.#settings = settings
    this.#clock = clock
    this.#span = spanOf(settings.windowMs)
    this.#recentSpan = { windowMs: settings.cacheTtlMs + RECENT_MS, sliceMs: RECENT_SLICE_MS }
  }

  get isShielded(): boolean {
    return this.#clock.monotonicMs() < this.#shieldUntilMs
  }

  get shieldEndsInMs(): number {
    return this.#shieldUntilMs - this.#clock.monotonicMs()
  }

  /** @returns the publication that is due with it, if one is */
  countSuccess(generation: number): Promise<void> | undefined {
    if (generation !== this.#generation || !this.#counting) return undefined
    const nowMs = this.#clock.monotonicMs()
    // What went well before the fleet's first failure says nothing about what has happened since.
    if (nowMs >= this.#suspectUntilMs) {
      count(this.#recent, 'successes', nowMs, this.#recentSpan)
      return undefined
    }
    count(this.#pending, 'successes', nowMs, this.#span)
    return nowMs >= this.#publishAtMs ? this.#publish(false) : undefined
  }

  /** @returns the publication that is due with it, if one is */
  countFailure(generation: number): Promise<void> | undefined {
    if (generation !== this.#generation || !this.#counting) return undefined
    const nowMs = this.#clock.monotonicMs()
    count(this.#pending, 'failures', nowMs, this.#span)
    this.#suspectUntilMs = nowMs + this.#settings.windowMs
    const opens = !this.isShielded && this.#hasReasonToOpen()
    if (opens) this.#shieldUntilMs = nowMs + this.#settings.recoveryMs
    return opens || nowMs >= this.#publishAtMs ? this.#publish(opens) : undefined
  }

  /**
   * Publishes again when this instance opened by itself and the fleet does not know.
   * @returns undefined when there is nothing to publish
   */
  publishAgain(): Promise<void> | undefined {
    return this.isShielded && this.#clock.monotonicMs() >= this.#publishAtMs ? this.#publish(true) : undefined
  }

  /** Takes notice of what the fleet's record says now. */
  followRecord(): void {
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
    this.#counting = overrideAt(record, nowMs) === null
    const suspectUntil = suspectUntilMs(record.ledger, this.#settings.windowMs) - offsetMs
    this.#suspectUntilMs = Math.max(this.#suspectUntilMs, suspectUntil)
    // The fleet has more to go by than this instance.
    if (this.isShielded && !this.#hasReasonToOpen()) this.#shieldUntilMs = Number.NEGATIVE_INFINITY
  }

  #hasReasonToOpen(): boolean {
    const known = [this.#fleet.record.ledger, shiftCounts(this.#listUnpublished(), this.#fleet.offsetMs)]
    return isReasonToOpen(totalsOf(mergeCounts(known, this.#fleet.nowMs, this.#settings.windowMs)), this.#settings)
  }

  #listUnpublished(): Bucket[] {
    const countings = [...this.#batches.map(({ buckets }) => buckets), this.#pending]
    return mergeCounts(countings, this.#clock.monotonicMs(), this.#settings.windowMs)
  }

  /** One publication at a time; one that may open the breaker waits its turn. */
  async #publish(urgent: boolean): Promise<void> {
    if (this.#publishing !== undefined) {
      if (!urgent) return
      await this.#publishing
      if (!this.isShielded) return
    }
    this.#publishing = this.#publishAndConfirm().finally(() => (this.#publishing = undefined))
    await this.#publishing
  }

  async #publishAndConfirm(): Promise<void> {
    this.#publishAtMs = this.#clock.monotonicMs() + this.#publishEveryMs
    const change = await this.#publishPending()
    if (change === 'landed' && this.isShielded && this.#fleet.record.state === 'closed') {
      await this.#pause(this.#settings.confirmMs)
      if (this.isShielded) await this.#publishPending()
    }
    const contended = change === 'contended'
    this.#publishEveryMs = contended
      ? Math.min(PUBLISH_EVERY_MS.most, this.#publishEveryMs * 2)
      : PUBLISH_EVERY_MS.least
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => void this.#clock.after(ms, resolve))
  }

  #publishPending(): Promise<Change> {
    const id = randomUUID()
    // Without a store it counts here all the same, and is kept for later unless it opens this instance by itself.
    if (!this.#fleet.reachable) return this.#changeFleet(id, [{ id, buckets: this.#listUnpublished(), recent: [] }])
    const { writeCount } = this.#fleet.record
    // So many writes later it cannot be seen any more whether a batch was among them.
    const recognisable = this.#batches.filter((batch) => writeCount - batch.writeCount < WRITES_REMEMBERED / 2)
    this.#batches = [...recognisable, { id, buckets: this.#pending, recent: this.#recent, writeCount }]
    this.#pending = []
    this.#recent = []
    return this.#changeFleet(id, this.#batches)
  }

  #changeFleet(id: string, batches: readonly (Batch & { recent: readonly Bucket[] })[]): Promise<Change> {
    const generation = this.#generation
    return this.#fleet.change(
      id,
      (record, nowMs) => {
        const { offsetMs } = this.#fleet
        const sinceMs = suspectSinceMs(record.ledger) - offsetMs
        const published = batches.map((batch) => {
          const recent = batch.recent.filter(({ atMs }) => atMs >= sinceMs)
          return { id: batch.id, buckets: shiftCounts([...recent, ...batch.buckets], offsetMs) }
        })
        return publish(record, { generation, batches: published }, nowMs, this.#settings)
      },
      { alone: 'transitions', insist: false },
    )
  }
}
