import type { Timestamp } from '@google-cloud/firestore'

import { ServiceUnavailable } from '../errors/unavailable.ts'
import { lostPrecondition } from '../errors/grpc-code.ts'
import { giveBack, take } from '../quotas/gcra.ts'
import type { SharedRate } from '../quotas/rate-limiter.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { FirestoreAccess } from './firestore.ts'
import { userKey } from './user-key.ts'

const COLLECTION = 'rates'
const CAS_ATTEMPTS_MAX = 8
/** A request does not wait longer for its rate; it goes by this instance's own count then. */
const TRADE_TIMEOUT_MS = 1_000
const KEPT_MS = 24 * 3_600_000

/**
 * The shared rate of each person: one number in one document of its own. Time is Firestore's, as its answers carry it, so
 * that instances whose clocks differ agree.
 */
export function sharedRates(firestore: FirestoreAccess, timeoutMs = TRADE_TIMEOUT_MS): SharedRate {
  return {
    trade: (userId, policy, unused, wanted) =>
      withDeadline('The shared rate', timeoutMs, trade(userId, policy, unused, wanted)),
  }

  async function trade(
    userId: string,
    policy: Parameters<SharedRate['trade']>[1],
    unused: number,
    wanted: number,
  ): ReturnType<SharedRate['trade']> {
    for (let attempt = 0; attempt < CAS_ATTEMPTS_MAX; attempt++) {
      if (attempt > 0) await new Promise((resolve) => setTimeout(resolve, Math.random() * 10 * 2 ** attempt))
      const snapshot = await firestore.call('read rate', (db) => db.collection(COLLECTION).doc(userKey(userId)).get())
      const nowMs = milliseconds(snapshot.readTime)
      const stored: unknown = snapshot.get('arrivalMs')
      const before = typeof stored === 'number' && Number.isFinite(stored) ? stored : 0
      const { arrivalMs, taken } = take(giveBack(before, policy, unused), policy, nowMs, wanted)
      const nothing = taken === 0 && unused === 0
      if (nothing || (await write(userId, arrivalMs, nowMs, snapshot.updateTime))) return { taken, arrivalMs, nowMs }
    }
    throw new ServiceUnavailable('firestore', 'The shared rate is being changed too fast')
  }

  async function write(
    userId: string,
    arrivalMs: number,
    nowMs: number,
    updateTime: Timestamp | undefined,
  ): Promise<boolean> {
    const data = { arrivalMs, expireAt: new Date(nowMs + KEPT_MS) }
    try {
      await firestore.call('write rate', (db) => {
        const doc = db.collection(COLLECTION).doc(userKey(userId))
        return updateTime === undefined ? doc.create(data) : doc.update(data, { lastUpdateTime: updateTime })
      })
      return true
    } catch (error) {
      if (lostPrecondition(error)) return false
      throw error
    }
  }
}

function milliseconds(time: Timestamp): number {
  return time.seconds * 1000 + time.nanoseconds / 1e6
}
