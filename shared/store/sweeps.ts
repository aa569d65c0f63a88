import { LatestSweep } from '../operations/health/ports.ts'
import type { FirestoreAccess } from './firestore.ts'
import { requireReadable } from './require-readable.ts'

const COLLECTION = 'sweeps'
const KEPT_MS = 30 * 24 * 3_600_000

/** What the latest sweep that was carried out wrote, besides its own record: how it goes is read here. */
const LATEST = 'latest'

/** What each sweep saw and did, one document each, kept for 30 days. */
export function sweepRecords(firestore: FirestoreAccess) {
  return {
    async save(id: string, record: object, nowMs: number): Promise<void> {
      const document = { schemaVersion: 1, ...record, expireAt: new Date(nowMs + KEPT_MS) }
      const latest = { schemaVersion: 1, sweepId: id, endedAtMs: nowMs, ...record, episodes: [] }
      requireReadable(LatestSweep, latest, 'a sweep')
      await firestore.call('record sweep', async (db) => {
        const sweeps = db.collection(COLLECTION)
        await db.batch().set(sweeps.doc(id), document).set(sweeps.doc(LATEST), latest).commit()
      })
    },

    /** @returns undefined when there has been none, or none that can be read */
    async latest(): Promise<LatestSweep | undefined> {
      const found = await firestore.call('latest sweep', (db) => db.collection(COLLECTION).doc(LATEST).get())
      return LatestSweep.safeParse(found.data()).data
    },
  }
}
