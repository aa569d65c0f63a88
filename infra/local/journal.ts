/** One request that reached a stand-in, or one delivery of a task. */
export type JournalEntry = {
  at: string
  method?: string
  path?: string
  status: number
  episodeId?: string
  task?: string
  queue?: string
  url?: string
  attempt?: number
}

const ENTRIES_MAX = 50_000

/** Everything that reached the local cloud, newest last, bounded. */
export class Journal {
  #entries: { target: string; entry: JournalEntry }[] = []

  record(target: string, entry: Omit<JournalEntry, 'at'>): void {
    this.#entries.push({ target, entry: { at: new Date().toISOString(), ...entry } })
    if (this.#entries.length > ENTRIES_MAX) this.#entries = this.#entries.slice(ENTRIES_MAX / 10)
  }

  of(target: string): JournalEntry[] {
    return this.#entries.filter((line) => line.target === target).map(({ entry }) => entry)
  }

  clear(): void {
    this.#entries = []
  }
}
