import type { Deletion } from '../../../../shared/podcast/deletion/deletion.ts'
import type { NotesCache } from '../../../../shared/podcast/storage.ts'
import type { DeletionStore } from '../../../../shared/podcast/stores.ts'
import type { Notes } from '../../../../shared/podcast/words/notes.ts'

/** Awaited before an operation, and before its answer. */
export type Passing = () => Promise<void>

/** Notes in memory, by what they were made of. */
export class MemoryNotes {
  readonly entries = new Map<string, { episodeId: string; notes?: Notes; untilMs: number }>()

  open(passing: Passing, nowMs: () => number): NotesCache {
    const { entries } = this
    const set = async (key: string, entry: { episodeId: string; notes?: Notes; untilMs: number }) => {
      await passing()
      entries.set(key, entry)
      await passing()
    }
    return {
      async reserve(key, episodeId, leaseMs) {
        await passing()
        const known = entries.get(key)
        if (known?.notes !== undefined) return { kind: 'found', notes: known.notes }
        if (known !== undefined && known.episodeId !== episodeId && known.untilMs > nowMs())
          return { kind: 'theirs', untilMs: known.untilMs }
        entries.set(key, { episodeId, untilMs: nowMs() + leaseMs })
        await passing()
        return { kind: 'ours' }
      },
      renew: async (key, episodeId, leaseMs) => {
        const known = entries.get(key)
        if (known?.episodeId === episodeId && known.notes === undefined)
          await set(key, { ...known, untilMs: nowMs() + leaseMs })
      },
      keep: (key, episodeId, notes) => set(key, { episodeId, notes, untilMs: nowMs() }),
      release: async (key, episodeId) => {
        const known = entries.get(key)
        if (known?.episodeId === episodeId && known.notes === undefined) await set(key, { ...known, untilMs: nowMs() })
      },
      async forget(key) {
        await passing()
        entries.delete(key)
      },
      async forgetOf(episodeId) {
        await passing()
        const own = [...entries].filter(([, entry]) => entry.episodeId === episodeId)
        for (const [key] of own) entries.delete(key)
        return own.length
      },
    }
  }
}

/** Records of deletions in memory. */
export class MemoryDeletions implements DeletionStore {
  readonly records = new Map<string, Deletion>()

  async due(nowMs: number): Promise<Deletion[]> {
    return [...this.records.values()].filter(({ lookAgainAtMs = Infinity }) => lookAgainAtMs <= nowMs)
  }

  async save(deletion: Deletion): Promise<void> {
    this.records.set(deletion.episodeId, deletion)
  }
}
