import type { Bill } from './firestore/billing.ts'

/** One request that reached a stand-in, one call of Firestore, or one delivery of a task. */
export type JournalEntry = Partial<Bill> & {
  at: string
  method?: string
  path?: string
  /** Of HTTP, or of gRPC for Firestore: 0 is a success there, and 4 what is never answered. */
  status: number
  episodeId?: string
  /** Sizes of the bodies; the answer's is absent where it is sent as a stream. */
  requestBytes?: number
  answerBytes?: number
  task?: string
  queue?: string
  url?: string
  attempt?: number
}

const ENTRIES_MAX = 50_000

/** Everything that reached the local cloud, newest last, bounded for each target. */
export class Journal {
  readonly #entries = new Map<string, JournalEntry[]>()

  record(target: string, entry: Omit<JournalEntry, 'at'>): void {
    const entries = this.#entries.get(target) ?? []
    entries.push({ at: new Date().toISOString(), ...entry })
    this.#entries.set(target, entries.length > ENTRIES_MAX ? entries.slice(ENTRIES_MAX / 10) : entries)
  }

  of(target: string): JournalEntry[] {
    return [...(this.#entries.get(target) ?? [])]
  }

  clear(): void {
    this.#entries.clear()
  }
}
