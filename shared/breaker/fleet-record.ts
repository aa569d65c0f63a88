import { randomUUID } from 'node:crypto'

import { endsWithin, resultWithin } from './clock.ts'
import type { Clock } from './clock.ts'
import { compareAndSet } from './compare-and-set.ts'
import { parseRecord, UNWRITTEN } from './record.ts'
import type { BreakerRecord } from './record.ts'
import { ServerTime } from './server-time.ts'
import type { BreakerSettings } from './settings.ts'
import type { BreakerStore, StoredRecord } from './store.ts'
import { carryOver } from './transitions.ts'
import type { BreakerEvent, Decision } from './transitions.ts'
import { UnconfirmedWrites } from './unconfirmed-writes.ts'

export type Decide = (record: BreakerRecord, nowMs: number) => Decision | undefined

/**
 * What became of a change. `landed`: the whole fleet has it. `local`: the store cannot be used, and only this instance
 * has it. `unchanged`: there was nothing to change. `contended`: others were faster too often. `unreachable`: the store
 * cannot be used, and the change was not worth having alone.
 */
export type Change = 'landed' | 'local' | 'unchanged' | 'contended' | 'unreachable'

type ChangeOptions = {
  readonly alone: 'always' | 'transitions' | 'once-lost'
  readonly insist: boolean
  readonly waitMs?: number
}

/** What is not a transition, but somebody should know. */
export type Trouble = 'store_unreachable' | 'store_back' | 'corrupt_record' | 'newer_record'

export type FleetRecordOptions = {
  readonly name: string
  /** Without one the record is this instance's own. */
  readonly store: BreakerStore | undefined
  readonly settings: BreakerSettings
  readonly clock: Clock
  readonly random: () => number
  /** Hears of every look at the store and of every change. */
  readonly onRecord: () => void
  readonly onEvent: (event: BreakerEvent, local: boolean) => void
  readonly onTrouble: (trouble: Trouble, cause?: unknown) => void
}

/** How long a call waits: for a cold instance's first read, for later ones, and for a change. */
const FIRST_READ_WAIT_MS = 2000
const READ_WAIT_MS = 150
const CHANGE_WAIT_MS = 1000
/** When an operation that nobody waits for any more is given up. */
const STORE_DEADLINE_MS = 5000
/** A write on a version that is older than this begins with a read: others have probably written since. */
const OPTIMISTIC_AGE_MS = 250
/** Few, because results that could not be written go along with the next ones, and a large fleet would trip over itself. */
const TRIES_MAX = 5

/** The document as it was at one version of the store's. */
type SeenVersion = { readonly record: BreakerRecord; readonly version: unknown; readonly writes: readonly string[] }

/**
 * The fleet's record as this instance knows it: read when a call needs it and it is older than the TTL, changed by
 * compare-and-set, and replaced by this instance's own while the store cannot be used. No error of the store gets out.
 */
export class FleetRecord {
  readonly #options: FleetRecordOptions
  readonly #time: ServerTime
  /** What calls go by. */
  #record: BreakerRecord = UNWRITTEN
  /** What the store held when it was seen last. */
  #stored: SeenVersion | undefined
  /** Where this instance has gone its own way: the fleet's record that it last knew, if it knew any. */
  #detachedFrom: { seen: BreakerRecord | undefined } | undefined
  #usable = true
  /** Since when it cannot be used, on the monotonic clock. */
  #lostAtMs: number | undefined
  #attaching = false
  #newer = false
  #readAtMs = Number.NEGATIVE_INFINITY
  #triedAtMs = Number.NEGATIVE_INFINITY
  #reading: Promise<void> | undefined
  readonly #unconfirmed = new UnconfirmedWrites()

  constructor(options: FleetRecordOptions) {
    this.#options = options
    this.#time = new ServerTime(options.clock)
  }

  get record(): BreakerRecord {
    return this.#record
  }

  /** The time by the store's clock. */
  get nowMs(): number {
    return this.#time.nowMs
  }

  /** What turns this instance's monotonic time into the store's. */
  get offsetMs(): number {
    return this.#time.offsetMs
  }

  /** Until when, on the monotonic clock, calls may go by the record without a look at the store. */
  get freshUntilMs(): number {
    const { store, settings } = this.#options
    return store === undefined ? Number.POSITIVE_INFINITY : this.#readAtMs + settings.cacheTtlMs
  }

  /** Whether changes reach everybody whom they concern. */
  get reachable(): boolean {
    return this.#options.store === undefined || (this.#usable && !this.#newer)
  }

  /**
   * Looks at the store when the last look is older than the TTL; one look serves all who wait. @returns undefined when
   * there is nothing to wait for: the record is fresh, or the store has been found silent and is asked unseen
   */
  refresh(): Promise<void> | undefined {
    const { store, clock, settings } = this.#options
    const nowMs = clock.monotonicMs()
    if (store === undefined || nowMs < this.freshUntilMs) return undefined
    if (this.#reading === undefined && nowMs - this.#triedAtMs >= settings.cacheTtlMs) {
      this.#triedAtMs = nowMs
      this.#reading = this.#read(store).finally(() => (this.#reading = undefined))
    }
    if (this.#reading === undefined || !this.#usable) return undefined
    const waitMs = this.#stored === undefined ? this.#triedAtMs + FIRST_READ_WAIT_MS - nowMs : READ_WAIT_MS
    return this.#waitFor(this.#reading, waitMs)
  }

  /**
   * Changes the record by compare-and-set; `decide` may be asked several times, on newer and newer versions. Without
   * a usable store the change is this instance's alone: `alone` says whether every change is worth that, only a
   * transition, or one only after the store has been silent for a TTL. `insist` tries a store that was found silent as well: for what must not happen twice in a fleet because
   * a read was slow.
   * @param id recognises the write when its acknowledgement is lost; `decide` must put it among the record's writes
   */
  async change(id: string, decide: Decide, { alone, insist, waitMs = CHANGE_WAIT_MS }: ChangeOptions): Promise<Change> {
    const { store, clock, settings } = this.#options
    if (store === undefined) return this.#changeAlone(decide, 'always')
    const isLost = this.#lostAtMs !== undefined && clock.monotonicMs() - this.#lostAtMs >= settings.cacheTtlMs
    if (this.reachable || (insist && !this.#newer)) {
      const progress = { contended: false }
      const change = this.#compareAndSet(store, id, decide, progress)
      if (await endsWithin(clock, waitMs, change)) {
        try {
          return await change
        } catch (error) {
          this.#lose(error)
        }
      } else {
        // It goes on unseen, and may yet land.
        change.catch(() => undefined)
        if (progress.contended) return 'contended'
        this.#lose(new Error(`a write took longer than ${waitMs} ms`))
      }
    }
    return alone === 'once-lost' && !isLost && !this.#newer ? 'unreachable' : this.#changeAlone(decide, alone)
  }

  async #waitFor(reading: Promise<void>, waitMs: number): Promise<void> {
    if (!(await endsWithin(this.#options.clock, waitMs, reading)))
      this.#lose(new Error(`a read took longer than ${Math.round(waitMs)} ms`))
  }

  async #read(store: BreakerStore): Promise<void> {
    try {
      const seen = await this.#look(store)
      if (seen === undefined) return
      await this.#attach(store)
      this.#options.onRecord()
    } catch (error) {
      this.#lose(error)
    }
  }

  /** Reads the document. @returns our own last write when that is newer; undefined when a newer program wrote it */
  async #look(store: BreakerStore): Promise<SeenVersion | undefined> {
    const { clock, name } = this.#options
    const fromMs = clock.monotonicMs()
    const { stored, serverMs } = await resultWithin(clock, STORE_DEADLINE_MS, store.read(name))
    this.#time.learn(serverMs, fromMs)
    if (this.#readAtMs > fromMs && this.#stored !== undefined) return this.#stored
    const record = this.#parse(stored)
    // From when it was asked for: an instance may be paused while it waits for an answer.
    this.#readAtMs = fromMs
    if (record === undefined) return undefined
    this.#stored = { record, version: stored?.version, writes: record.writes }
    for (const event of this.#unconfirmed.confirm(record.writes)) this.#options.onEvent(event, false)
    return this.#stored
  }

  #parse(stored: StoredRecord | undefined): BreakerRecord | undefined {
    if (stored === undefined) return this.#accept(UNWRITTEN)
    const parsed = parseRecord(stored.data)
    switch (parsed.kind) {
      case 'record':
        return this.#accept(parsed.record)
      case 'corrupt':
        // What this instance knows stands, and replaces what cannot be read with the next change.
        this.#options.onTrouble('corrupt_record')
        return this.#accept(this.#detachedFrom === undefined ? this.#record : UNWRITTEN)
      case 'foreign':
        // Its program knows how to read it; this instance protects itself and never writes over it.
        if (!this.#newer) this.#options.onTrouble('newer_record')
        this.#newer = true
        return undefined
    }
  }

  #accept(record: BreakerRecord): BreakerRecord {
    this.#newer = false
    return record
  }

  /** The fleet's record counts again; what this instance found out alone is handed over where it still means something. */
  async #attach(store: BreakerStore): Promise<void> {
    if (!this.#usable) this.#options.onTrouble('store_back')
    this.#usable = true
    this.#lostAtMs = undefined
    const [stored, detached, local] = [this.#stored, this.#detachedFrom, this.#record]
    if (stored === undefined || this.#attaching) return
    if (detached?.seen !== undefined) {
      const [id, seen] = [randomUUID(), detached.seen]
      this.#attaching = true
      try {
        if (carryOver(stored.record, { id, seen, local }, this.nowMs) !== undefined)
          await this.#compareAndSet(store, id, (record, nowMs) => carryOver(record, { id, seen, local }, nowMs))
      } finally {
        this.#attaching = false
      }
    }
    this.#detachedFrom = undefined
    this.#record = this.#stored?.record ?? stored.record
  }

  async #compareAndSet(
    store: BreakerStore,
    id: string,
    decide: Decide,
    progress = { contended: false },
  ): Promise<Change> {
    const { clock, random } = this.#options
    const aged = clock.monotonicMs() - this.#readAtMs > OPTIMISTIC_AGE_MS
    const end = await compareAndSet<SeenVersion, Decision | undefined>(
      {
        writeId: id,
        known: aged || this.#stored === undefined ? undefined : { kind: 'recent', version: this.#stored },
        read: () => this.#look(store),
        decide: ({ record }) => decide(record, this.nowMs),
        write: ({ version }, decision) => decision && this.#write(store, { id, decision, version }, progress),
        triesMax: TRIES_MAX,
      },
      { clock, random },
    )
    // Nothing that may be changed: what is stored cannot be used.
    if (end.kind === 'absent') return 'contended'
    if (end.kind === 'contended') this.#unconfirmed.remove(id)
    return this.#finish(store, end.kind)
  }

  async #write(
    store: BreakerStore,
    { id, decision, version }: { id: string; decision: Decision; version: unknown },
    progress: { contended: boolean },
  ): Promise<SeenVersion | 'lost'> {
    const { clock, name } = this.#options
    const { record, event } = decision
    this.#unconfirmed.add(id, event)
    const fromMs = clock.monotonicMs()
    const written = await resultWithin(clock, STORE_DEADLINE_MS, store.write(name, record, version))
    if (written === 'lost') {
      progress.contended = true
      return 'lost'
    }
    this.#time.learn(written.serverMs, fromMs)
    this.#unconfirmed.remove(id)
    const landed = { record, version: written.version, writes: record.writes }
    // Of two answers the later one counts, and a read since then may have seen this write and others after it.
    const overtaken = this.#readAtMs > fromMs && (this.#stored?.record.writeCount ?? 0) >= record.writeCount
    if (!overtaken) {
      this.#stored = landed
      this.#readAtMs = fromMs
    }
    if (event !== undefined) this.#options.onEvent(event, false)
    return landed
  }

  /** The store has answered: its record counts. */
  async #finish(store: BreakerStore, change: Change): Promise<Change> {
    await this.#attach(store)
    this.#options.onRecord()
    return change
  }

  #changeAlone(decide: Decide, alone: ChangeOptions['alone']): Change {
    const decision = decide(this.#record, this.nowMs)
    if (decision === undefined) return 'unchanged'
    if (alone === 'transitions' && decision.event === undefined) return 'unreachable'
    if (this.#options.store !== undefined) this.#detachedFrom ??= { seen: this.#stored?.record }
    this.#record = decision.record
    if (decision.event !== undefined) this.#options.onEvent(decision.event, true)
    this.#options.onRecord()
    return 'local'
  }

  #lose(cause: unknown): void {
    if (this.#usable) this.#options.onTrouble('store_unreachable', cause)
    this.#usable = false
    this.#lostAtMs ??= this.#options.clock.monotonicMs()
  }
}
