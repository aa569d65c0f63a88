import type { Timestamp } from '@google-cloud/firestore'

import { compareAndSet } from '../breaker/compare-and-set.ts'
import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import { beginTry, IdempotencyRecord, settleTry } from '../http/idempotency-record.ts'
import type { BegunTry, IdempotencyRecords, RunningTry } from '../http/idempotency-record.ts'
import type { FirestoreAccess } from './firestore.ts'
import { readLeniently } from './read-leniently.ts'
import { requireReadable } from './require-readable.ts'

const COLLECTION = 'idempotency'

/** A key's record as it was read or written; a key that nobody has used has neither. `writes`: of the try that holds it. */
type Version = {
  record?: IdempotencyRecord | undefined
  updateTime?: Timestamp | undefined
  writes: readonly string[]
}
const UNUSED: Version = { writes: [] }

/**
 * Records of Idempotency-Keys in Firestore. The first use of a key costs two writes and no read. Documents carry
 * `expireAt` for Firestore's TTL, which is late by up to a day: what has expired is looked through on read.
 */
export function idempotencyRecords(firestore: FirestoreAccess, now: () => number): IdempotencyRecords {
  /** The update time under which a try holds its record. */
  const versions = new WeakMap<RunningTry, Timestamp>()

  return {
    async begin(id, newTry) {
      const end = await compareAndSet<Version, BegunTry>({
        writeId: newTry.holder,
        // The lease of a try begins by the store's clock: where that is not known, the key is read.
        ...(firestore.clock.isFresh() && { known: { kind: 'remembered', version: UNUSED } }),
        read: () => readVersion(id),
        decide: ({ record }) => beginTry(record, { ...newTry, nowMs: now() }),
        write: ({ updateTime }, begun) => (begun.kind === 'run' ? write(id, begun.record, updateTime) : undefined),
      })
      if (end.kind === 'absent' || end.kind === 'contended')
        throw new ServiceUnavailable('firestore', 'The Idempotency-Key is being used too fast')
      const { decision, version } = end
      if (decision.kind === 'run' && version.updateTime !== undefined) versions.set(decision, version.updateTime)
      return decision
    },

    async settle(id, held, answer) {
      const next = settleTry(held.record, answer, now())
      const updateTime = versions.get(held)
      if (updateTime === undefined) return false
      const end = await compareAndSet<Version, IdempotencyRecord | undefined>({
        writeId: settleWriteOf(next.holder),
        known: { kind: 'remembered', version: versionOf(held.record, updateTime) },
        read: () => readVersion(id),
        decide: ({ record }) => (record?.state === 'running' && record.holder === next.holder ? next : undefined),
        write: (version, settled) => (settled === undefined ? undefined : write(id, settled, version.updateTime)),
      })
      return end.kind === 'landed'
    },
  }

  async function readVersion(id: string): Promise<Version> {
    const snapshot = await firestore.call('read idempotency', (db) => db.collection(COLLECTION).doc(id).get())
    if (!snapshot.exists || snapshot.updateTime === undefined) return UNUSED
    // Without its answer a try is known all the same: its operation is resumed, and takes effect once.
    const readable = readLeniently(IdempotencyRecord, snapshot.data())
    if (readable === undefined)
      throw new ServiceUnavailable('firestore', 'The record of this Idempotency-Key cannot be read')
    return versionOf(readable.value, snapshot.updateTime)
  }

  /** Writes only on top of the version of that update time; of none, when it is undefined. */
  async function write(
    id: string,
    record: IdempotencyRecord,
    updateTime: Timestamp | undefined,
  ): Promise<Version | 'lost'> {
    requireReadable(IdempotencyRecord, record, 'the record of an Idempotency-Key')
    const data = { ...record, expireAt: new Date(record.expireAtMs) }
    try {
      const { writeTime } = await firestore.call('write idempotency', (db) => {
        const doc = db.collection(COLLECTION).doc(id)
        return updateTime === undefined ? doc.create(data) : doc.update(data, { lastUpdateTime: updateTime })
      })
      return versionOf(record, writeTime)
    } catch (error) {
      if (isLostPrecondition(error)) return 'lost'
      throw error
    }
  }
}

function versionOf(record: IdempotencyRecord, updateTime: Timestamp): Version {
  const { holder, state } = record
  return { record, updateTime, writes: state === 'running' ? [holder] : [holder, settleWriteOf(holder)] }
}

function settleWriteOf(holder: string): string {
  return `${holder}/settled`
}
