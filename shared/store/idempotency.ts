import type { DocumentReference, Timestamp } from '@google-cloud/firestore'

import { ServiceUnavailable } from '../errors/unavailable.ts'
import type { IdempotencyRecords } from '../http/idempotency.ts'
import { beginTry, IdempotencyRecord, settleTry } from '../http/idempotency-record.ts'
import type { RunningTry } from '../http/idempotency-record.ts'
import { lostPrecondition } from '../errors/grpc-code.ts'
import type { FirestoreAccess } from './firestore.ts'

const COLLECTION = 'idempotency'
const CAS_ATTEMPTS_MAX = 5

/**
 * Records of Idempotency-Keys in Firestore. The first use of a key costs two writes and no read. Documents carry
 * `expireAt` for Firestore's TTL, which is late by up to a day: what has expired is looked through on read.
 */
export function idempotencyRecords(firestore: FirestoreAccess, now: () => number): IdempotencyRecords {
  /** The update time under which a try holds its record. */
  const versions = new WeakMap<RunningTry, Timestamp>()

  return {
    async begin(id, newTry) {
      const fresh = beginTry(undefined, newTry)
      if (fresh.kind === 'run' && (await write(id, fresh, (doc, data) => doc.create(data))) === 'written') return fresh
      for (let attempt = 0; attempt < CAS_ATTEMPTS_MAX; attempt++) {
        const { record, updateTime } = await read(id)
        const begun = beginTry(record, newTry)
        if (begun.kind !== 'run') return begun
        if (begun.record === record && updateTime !== undefined) {
          versions.set(begun, updateTime)
          return begun
        }
        const written = await write(id, begun, (doc, data) =>
          updateTime === undefined ? doc.create(data) : doc.update(data, { lastUpdateTime: updateTime }),
        )
        if (written === 'written') return begun
      }
      throw new ServiceUnavailable('firestore', 'The Idempotency-Key is being used too fast')
    },

    async settle(id, held, answer) {
      const next = settleTry(held.record, answer, now())
      const lastUpdateTime = versions.get(held)
      if (lastUpdateTime === undefined) return false
      const done: RunningTry = { ...held, record: next }
      if ((await write(id, done, (doc, data) => doc.update(data, { lastUpdateTime }))) === 'written') return true
      // Our own landed write may come back as a lost precondition.
      const { record } = await read(id)
      return record?.holder === next.holder && record.state === next.state
    },
  }

  async function read(id: string): Promise<{ record?: IdempotencyRecord; updateTime?: Timestamp }> {
    const snapshot = await firestore.call('read idempotency', (db) => db.collection(COLLECTION).doc(id).get())
    if (!snapshot.exists || snapshot.updateTime === undefined) return {}
    const parsed = IdempotencyRecord.safeParse(snapshot.data())
    if (!parsed.success) throw new ServiceUnavailable('firestore', 'The record of this Idempotency-Key cannot be read')
    return { record: parsed.data, updateTime: snapshot.updateTime }
  }

  async function write(
    id: string,
    begun: RunningTry,
    commit: (doc: DocumentReference, data: Record<string, unknown>) => Promise<{ writeTime: Timestamp }>,
  ): Promise<'written' | 'lost'> {
    const data = { ...begun.record, expireAt: new Date(begun.record.expireAtMs) }
    try {
      const { writeTime } = await firestore.call('write idempotency', (db) =>
        commit(db.collection(COLLECTION).doc(id), data),
      )
      versions.set(begun, writeTime)
      return 'written'
    } catch (error) {
      if (lostPrecondition(error)) return 'lost'
      throw error
    }
  }
}
