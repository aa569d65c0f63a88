import * as z from 'zod'

import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { Notes } from '../episodes/notes.ts'
import { errorFields, log } from '../telemetry/log.ts'
import type { FirestoreAccess } from './firestore.ts'

const COLLECTION = 'notes-cache'
const KEPT_MS = 30 * 24 * 3_600_000

const Entry = z.looseObject({ episodeId: z.string(), untilMs: z.number(), notes: Notes.optional() })

/** Notes that are there, that we are to write, or that another episode's worker is writing just now. */
export type CachedNotes = { kind: 'found'; notes: Notes } | { kind: 'ours' } | { kind: 'theirs'; untilMs: number }
export type NotesCache = ReturnType<typeof notesCache>

/**
 * Show notes by what they were made of, so that the same words are not paid for twice. Who is to write them says so
 * first: others wait for the result. A cache that cannot be used is none, and stops nobody.
 */
export function notesCache(firestore: FirestoreAccess, now: () => number) {
  return {
    async claim(key: string, episodeId: string, leaseMs: number): Promise<CachedNotes> {
      return orNone(key, { kind: 'ours' }, async () => {
        const entry = { episodeId, untilMs: now() + leaseMs, expireAt: new Date(now() + KEPT_MS) }
        try {
          await firestore.call('create notes', (db) => db.collection(COLLECTION).doc(key).create(entry))
          return { kind: 'ours' }
        } catch (error) {
          if (!isLostPrecondition(error)) throw error
        }
        const snapshot = await firestore.call('read notes', (db) => db.collection(COLLECTION).doc(key).get())
        const known = Entry.safeParse(snapshot.data())
        if (known.success && known.data.notes !== undefined) return { kind: 'found', notes: known.data.notes }
        if (known.success && known.data.episodeId !== episodeId && known.data.untilMs > now())
          return { kind: 'theirs', untilMs: known.data.untilMs }
        await firestore.call('take notes', (db) => db.collection(COLLECTION).doc(key).set(entry))
        return { kind: 'ours' }
      })
    },

    async keep(key: string, episodeId: string, notes: Notes): Promise<void> {
      const entry = { episodeId, untilMs: now(), notes, expireAt: new Date(now() + KEPT_MS) }
      await orNone(key, undefined, () =>
        firestore.call('keep notes', (db) => db.collection(COLLECTION).doc(key).set(entry)),
      )
    },

    /** Lets others write what we could not, or removes what its owner has deleted. */
    async forget(key: string): Promise<void> {
      await orNone(key, undefined, () =>
        firestore.call('forget notes', (db) => db.collection(COLLECTION).doc(key).delete()),
      )
    },
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
