import type { Clock } from '../../../shared/breaker/clock.ts'
import type { BreakerRecord } from '../../../shared/breaker/record.ts'
import type { BreakerStore } from '../../../shared/breaker/store.ts'

type Appointment = { atMs: number; order: number; run: (() => void) | undefined }

/** Time that passes only when everybody waits: hours of a fleet's life in milliseconds, the same for the same seed. */
export class VirtualTime {
  nowMs = 0
  #order = 0
  readonly #heap: Appointment[] = []

  at(atMs: number, run: () => void): () => void {
    const appointment: Appointment = { atMs: Math.max(atMs, this.nowMs), order: this.#order++, run }
    push(this.#heap, appointment)
    return () => (appointment.run = undefined)
  }

  after(delayMs: number, run: () => void): () => void {
    return this.at(this.nowMs + delayMs, run)
  }

  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.after(delayMs, resolve))
  }

  /** Lets time pass up to `untilMs`. */
  async run(untilMs: number): Promise<void> {
    await settled()
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      pop(this.#heap)
      if (next.run === undefined) continue
      this.nowMs = next.atMs
      next.run()
      await settled()
    }
    this.nowMs = Math.max(this.nowMs, untilMs)
  }

  /** An instance's own view of it. */
  clock(wallOffsetMs = 0): Clock {
    return {
      monotonicMs: () => this.nowMs,
      wallMs: () => WORLD_EPOCH_MS + this.nowMs + wallOffsetMs,
      after: (delayMs, callback) => this.after(delayMs, callback),
    }
  }
}

/** What the store's clock says when virtual time begins. */
export const WORLD_EPOCH_MS = 1_800_000_000_000

/** Every promise that can go on without time passing has done so. */
function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

function earlier(a: Appointment, b: Appointment): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)
}

function push(heap: Appointment[], item: Appointment): void {
  let at = heap.push(item) - 1
  while (at > 0) {
    const up = (at - 1) >> 1
    const parent = heap[up] as Appointment
    if (!earlier(item, parent)) break
    heap[at] = parent
    at = up
  }
  heap[at] = item
}

function pop(heap: Appointment[]): void {
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return
  let at = 0
  for (;;) {
    const [left, right] = [2 * at + 1, 2 * at + 2]
    let least = left
    if (left >= heap.length) break
    if (right < heap.length && earlier(heap[right] as Appointment, heap[left] as Appointment)) least = right
    const child = heap[least] as Appointment
    if (!earlier(child, last)) break
    heap[at] = child
    at = least
  }
  heap[at] = last
}

/** How one operation on the virtual store goes. `lost`: it happens, but the answer never comes. */
export type StoreWeather = { latencyMs: number; fate: 'well' | 'fails' | 'lost' | 'never' | 'refused' }

/** A store with compare-and-set in virtual time, whose weather the test makes. */
export class VirtualStore implements BreakerStore {
  readonly #time: VirtualTime
  document: { data: unknown; version: number } | undefined
  #versions = 0
  weather: (operation: 'read' | 'write') => StoreWeather = () => ({ latencyMs: 10, fate: 'well' })
  reads = 0
  writes = 0
  lostWrites = 0
  /** Sees every write that lands, with what was there before. */
  onWrite: (before: unknown, after: BreakerRecord) => void = () => undefined

  constructor(time: VirtualTime) {
    this.#time = time
  }

  get nowMs(): number {
    return WORLD_EPOCH_MS + this.#time.nowMs
  }

  readonly read: BreakerStore['read'] = async () => {
    this.reads++
    return this.#operate('read', () => ({
      stored: this.document && { data: structuredClone(this.document.data), version: this.document.version },
      serverMs: this.nowMs,
    }))
  }

  readonly write: BreakerStore['write'] = async (_name, record, version) =>
    this.#operate('write', () => {
      if (this.document?.version !== version) {
        this.lostWrites++
        return 'lost'
      }
      this.writes++
      const before = this.document?.data
      this.document = { data: structuredClone(record), version: ++this.#versions }
      this.onWrite(before, record)
      return { version: this.document.version, serverMs: this.nowMs }
    })

  /** Somebody else's hand on the document. */
  tamper(data: unknown): void {
    this.document = data === undefined ? undefined : { data, version: ++this.#versions }
  }

  async #operate<T>(operation: 'read' | 'write', effect: () => T): Promise<T> {
    const { latencyMs, fate } = this.weather(operation)
    await this.#time.sleep(latencyMs / 2)
    if (fate === 'never') return new Promise<never>(() => undefined)
    if (fate === 'fails') throw new Error('the store is down')
    if (fate === 'refused' && operation === 'write') {
      this.lostWrites++
      return 'lost' as T
    }
    const result = effect()
    if (fate === 'lost') {
      await this.#time.sleep(10_000)
      throw new Error('the answer was lost')
    }
    await this.#time.sleep(latencyMs / 2)
    return result
  }
}
