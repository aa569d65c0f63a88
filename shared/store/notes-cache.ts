import { randomUUID } from 'node:crypto'

import type { Timestamp } from '@google-cloud/firestore'
import * as z from 'zod'

import { appendWrite, compareAndSet } from '../breaker/compare-and-set.ts'
import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { StoredReceipt } from '../podcast/receipts.ts'
import type { CachedNotes, NotesCache } from '../podcast/storage.ts'
import { Notes } from '../podcast/words/notes.ts'
import { errorFields, log } from '../telemetry/log.ts'
import type { FirestoreAccess } from './firestore.ts'
import { requireReadable } from './require-readable.ts'

const COLLECTION = 'notes-cache'
const KEPT_MS = 30 * 24 * 3_600_000

/** `episodeId`: who writes them, or wrote them. `untilMs`: how long others wait for whoever does. */
const Entry = z.looseObject({
  episodeId: z.string(),
  untilMs: z.number(),
  notes: Notes.optional(),
  receipt: StoredReceipt.optional().catch(undefined),
  writes: z.array(z.string()).optional(),
})
type Entry = Pick<z.infer<typeof Entry>, 'episodeId' | 'untilMs' | 'notes' | 'receipt'>

/** An entry as it was read or written; of one that is not there, or cannot be read, only what is known. */
type Version = {
  readonly entry?: Entry | undefined
  readonly updateTime?: Timestamp | undefined
  readonly writes: readonly string[]
}
const ABSENT: Version = { writes: [] }

/** What to answer, and the claim to write for it, if any. */
type Decision = { readonly found: CachedNotes; readonly claim?: Entry }

/**
 * Show notes by what they were made of, so that the same words are not paid for twice. Who is to write them says so
 * first: others wait for the result. A cache that cannot be used is none, and stops nobody.
 */
export function notesCache(firestore: FirestoreAccess, now: () => number): NotesCache {
  return {
    reserve(key, episodeId, leaseMs) {
      return orNone<CachedNotes, CachedNotes>(key, { kind: 'ours' }, async () => {
        const decide = (entry: Entry | undefined): Decision => {
          if (entry?.notes !== undefined) {
            const receipt = entry.episodeId === episodeId ? entry.receipt : undefined
            return { found: { kind: 'found', notes: entry.notes, receipt } }
          }
          const isTheirs = entry !== undefined && entry.episodeId !== episodeId && entry.untilMs > now()
          if (isTheirs) return { found: { kind: 'theirs', untilMs: entry.untilMs } }
          return { found: { kind: 'ours' }, claim: { episodeId, untilMs: now() + leaseMs } }
        }
        // Words that are new are claimed by one write, and no read.
        const end = await change(key, decide, ABSENT)
        // Others are claiming it just now, and will say when to look again.
        return end.kind === 'contended' || end.kind === 'absent'
          ? { kind: 'theirs', untilMs: now() }
          : end.decision.found
      })
    },

    async renew(key, episodeId, leaseMs) {
      await changeOwn(key, episodeId, leaseMs)
    },

    async keep(key, episodeId, notes, receipt) {
      const kept = { episodeId, untilMs: now(), notes, expireAt: new Date(now() + KEPT_MS) }
      const entry = { ...kept, ...(receipt && { receipt }) }
      await orNone(key, undefined, async () => {
        requireReadable(Entry, entry, `notes ${key}`)
        await firestore.call('keep notes', (db) => db.collection(COLLECTION).doc(key).set(entry))
      })
    },

    /** Shortened, and not deleted: a worker may not delete documents. */
    async release(key, episodeId) {
      await changeOwn(key, episodeId, 0)
    },

    async forget(key) {
      await orNone(key, undefined, () =>
        firestore.call('forget notes', (db) => db.collection(COLLECTION).doc(key).delete()),
      )
    },

    async forgetOf(episodeId) {
      const found = await firestore.call('notes of an episode', (db) =>
        db.collection(COLLECTION).where('episodeId', '==', episodeId).get(),
      )
      for (const { ref } of found.docs) await firestore.call('forget notes', () => ref.delete())
      return found.size
    },
  }

  /** The claim of that episode ends so long from now; one that is over, or another's, stays as it is. */
  async function changeOwn(key: string, episodeId: string, leaseMs: number): Promise<void> {
    await orNone(key, undefined, async () => {
      await change(key, (entry) => {
        const isOurs = entry?.episodeId === episodeId && entry.notes === undefined && entry.untilMs > now()
        return { found: { kind: 'ours' }, ...(isOurs && { claim: { episodeId, untilMs: now() + leaseMs } }) }
      })
    })
  }

  function change(key: string, decide: (entry: Entry | undefined) => Decision, remembered?: Version) {
    const writeId = randomUUID()
    return compareAndSet<Version, Decision>({
      writeId,
      ...(remembered && firestore.clock.isFresh() && { known: { kind: 'remembered', version: remembered } }),
      read: () => readVersion(key),
      decide: ({ entry }) => decide(entry),
      write: (version, { claim }) => (claim === undefined ? undefined : write(key, claim, { version, writeId })),
    })
  }

  async function readVersion(key: string): Promise<Version> {
    const snapshot = await firestore.call('read notes', (db) => db.collection(COLLECTION).doc(key).get())
    const { data: entry } = Entry.safeParse(snapshot.data())
    return { entry, updateTime: snapshot.updateTime, writes: entry?.writes ?? [] }
  }

  /** Writes only on top of that version. */
  async function write(
    key: string,
    claim: Entry,
    { version, writeId }: { version: Version; writeId: string },
  ): Promise<Version | 'lost'> {
    const writes = appendWrite(version.writes, writeId)
    const data = { ...claim, writes, expireAt: new Date(now() + KEPT_MS) }
    requireReadable(Entry, data, `notes ${key}`)
    const lastUpdateTime = version.updateTime
    try {
      const { writeTime } = await firestore.call('claim notes', (db) => {
        const doc = db.collection(COLLECTION).doc(key)
        return lastUpdateTime === undefined ? doc.create(data) : doc.update(data, { lastUpdateTime })
      })
      return { entry: claim, updateTime: writeTime, writes }
    } catch (error) {
      if (isLostPrecondition(error)) return 'lost'
      throw error
    }
  }

  async function orNone<T, Else>(key: string, otherwise: Else, work: () => Promise<T>): Promise<T | Else> {
    try {
      return await work()
    } catch (error) {
      log('WARNING', 'notes_cache.unusable', { key, error: errorFields(error) })
      return otherwise
    }
  }
}
