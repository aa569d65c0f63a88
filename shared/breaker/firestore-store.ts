import type { Firestore, Timestamp } from '@google-cloud/firestore'

import { isLostPrecondition } from './lost-precondition.ts'
import { parseRecord } from './record.ts'
import type { BreakerStore } from './store.ts'

const COLLECTION = 'breakers'

/** Runs one call on a Firestore client, which may be loaded only then. */
export type FirestoreCall = <T>(what: string, work: (client: Firestore) => Promise<T>) => Promise<T>

/** Breakers in Firestore: one document each, moved by compare-and-set on its update time, never by transactions. */
export function firestoreBreakerStore(call: FirestoreCall): BreakerStore {
  return {
    async read(name) {
      const snapshot = await call('read breaker', (db) => db.collection(COLLECTION).doc(name).get())
      const { updateTime } = snapshot
      const stored = updateTime === undefined ? undefined : { data: snapshot.data(), version: updateTime }
      return { stored, serverMs: preciseMs(snapshot.readTime) }
    },

    async write(name, record, version) {
      if (parseRecord(record).kind !== 'record')
        throw new TypeError(`what was to be written of breaker ${name} could not be read again`)
      try {
        const { writeTime } = await call('write breaker', (db) => {
          const document = db.collection(COLLECTION).doc(name)
          return version === undefined
            ? document.create(record)
            : document.update(record, { lastUpdateTime: version as Timestamp })
        })
        return { version: writeTime, serverMs: preciseMs(writeTime) }
      } catch (error) {
        if (isLostPrecondition(error)) return 'lost'
        throw error
      }
    },
  }
}

function preciseMs({ seconds, nanoseconds }: Timestamp): number {
  return seconds * 1000 + nanoseconds / 1e6
}
