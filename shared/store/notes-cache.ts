import * as z from 'zod'

import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import type { NotesCache } from '../podcast/storage.ts'
import { Notes } from '../podcast/words/notes.ts'
import { errorFields, log } from '../telemetry/log.ts'
import type { FirestoreAccess } from './firestore.ts'
import { requireReadable } from './require-readable.ts'

const COLLECTION = 'notes-cache'
const KEPT_MS = 30 * 24 * 3_600_000

const Entry = z.looseObject({ episodeId: z.string(), untilMs: z.number(), notes: Notes.optional() })

/**
 * Show notes by what they were made of, so that the same words are not paid for twice. Who is to write them says so
 * first: others wait for the result. A cache that cannot be used is none, and stops nobody.
 */
export function notesCache(firestore: FirestoreAccess, now: () => number): NotesCache {
  return {
    async reserve(key, episodeId, leaseMs) {
      return orNone(key, { kind: 'ours' }, async () => {
        const entry = { episodeId, untilMs: now() + leaseMs, expireAt: new Date(now() + KEPT_MS) }
        requireReadable(Entry, entry, `notes ${key}`)
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
        try {
          const lastUpdateTime = snapshot.updateTime
          await firestore.call('take notes', (db) =>
            lastUpdateTime === undefined
              ? db.collection(COLLECTION).doc(key).create(entry)
              : db.collection(COLLECTION).doc(key).update(entry, { lastUpdateTime }),
          )
          return { kind: 'ours' }
        } catch (error) {
          if (!isLostPrecondition(error)) throw error
          // Somebody else has just taken what had run out, and will say when to look again.
          return { kind: 'theirs', untilMs: now() }
        }
      })
    },

    async keep(key, episodeId, notes) {
      const entry = { episodeId, untilMs: now(), notes, expireAt: new Date(now() + KEPT_MS) }
      await orNone(key, undefined, async () => {
        requireReadable(Entry, entry, `notes ${key}`)
        await firestore.call('keep notes', (db) => db.collection(COLLECTION).doc(key).set(entry))
      })
    },

    async release(key, episodeId) {
      await orNone(key, undefined, async () => {
        const snapshot = await firestore.call('read notes', (db) => db.collection(COLLECTION).doc(key).get())
        const { data: known } = Entry.safeParse(snapshot.data())
        const isOurs = known?.episodeId === episodeId && known.notes === undefined
        const { updateTime: lastUpdateTime } = snapshot
        if (!isOurs || lastUpdateTime === undefined) return
        // Shortened, and not deleted: a worker may not delete documents.
        const over = { untilMs: now() }
        await firestore.call('release notes', (db) =>
          db.collection(COLLECTION).doc(key).update(over, { lastUpdateTime }),
        )
      })
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

  async function orNone<T, Else>(key: string, otherwise: Else, work: () => Promise<T>): Promise<T | Else> {
    try {
      return await work()
    } catch (error) {
      log('WARNING', 'notes_cache.unusable', { key, error: errorFields(error) })
      return otherwise
    }
  }
}
