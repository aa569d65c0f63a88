import type { FirestoreAccess } from './firestore.ts'

const COLLECTION = 'sweeps'
const KEPT_MS = 30 * 24 * 3_600_000

export type SweepRecords = ReturnType<typeof sweepRecords>

/** What each sweep saw and did, one document each, kept for 30 days. */
export function sweepRecords(firestore: FirestoreAccess) {
  return {
    async save(id: string, record: object, nowMs: number): Promise<void> {
      const document = { schemaVersion: 1, ...record, expireAt: new Date(nowMs + KEPT_MS) }
      await firestore.call('record sweep', (db) => db.collection(COLLECTION).doc(id).set(document))
    },
  }
}
