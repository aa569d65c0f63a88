import type { BreakerEvent } from './transitions.ts'

const KEPT_MAX = 5

/** Writes whose acknowledgement is missing, with the event that each would be. The latest few are kept. */
export class UnconfirmedWrites {
  readonly #events = new Map<string, BreakerEvent | undefined>()

  add(id: string, event: BreakerEvent | undefined): void {
    this.#events.set(id, event)
    const [oldest] = this.#events.keys()
    if (this.#events.size > KEPT_MAX && oldest !== undefined) this.#events.delete(oldest)
  }

  remove(id: string): void {
    this.#events.delete(id)
  }

  /** Removes those that are among a document's writes. @returns their events, which nobody has heard of yet */
  confirm(writes: readonly string[]): BreakerEvent[] {
    const landed = [...this.#events].filter(([id]) => writes.includes(id))
    for (const [id] of landed) this.#events.delete(id)
    return landed.flatMap(([, event]) => event ?? [])
  }
}
