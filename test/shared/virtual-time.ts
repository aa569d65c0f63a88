import type { Clock } from '../../shared/breaker/clock.ts'

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
    await settle()
    for (let next = this.#heap[0]; next !== undefined && next.atMs <= untilMs; next = this.#heap[0]) {
      pop(this.#heap)
      if (next.run === undefined) continue
      this.nowMs = next.atMs
      next.run()
      await settle()
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
export function settle(): Promise<void> {
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
