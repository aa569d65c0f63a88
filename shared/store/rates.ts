import { randomUUID } from 'node:crypto'

import type { Timestamp } from '@google-cloud/firestore'
import * as z from 'zod'

import { appendWrite, compareAndSet } from '../breaker/compare-and-set.ts'
import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import { giveBack, take } from '../quotas/gcra.ts'
import type { SharedRate } from '../quotas/rate-limiter.ts'
import { withDeadline } from '../resilience/deadline.ts'
import type { FirestoreAccess } from './firestore.ts'
import { requireReadable } from './require-readable.ts'
import { userKey } from './user-key.ts'

const COLLECTION = 'rates'
/** A request does not wait longer for its rate; it goes by this instance's own count then. */
const TRADE_TIMEOUT_MS = 1_000
const KEPT_MS = 24 * 3_600_000

const StoredRate = z.object({
  arrivalMs: z.number().finite().catch(0),
  writes: z.array(z.string()).catch([]),
})
/** Reading takes anything for a rate; what is written must be one. */
const WrittenRate = z.object({ arrivalMs: z.number().finite(), writes: z.array(z.string()) })
/** A person's rate as it was read at `nowMs` of the store's clock; without an update time there is no document yet. */
type Version = z.infer<typeof StoredRate> & { nowMs: number; updateTime: Timestamp | undefined }
type Traded = Awaited<ReturnType<SharedRate['trade']>>

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
    const writeId = randomUUID()
    const end = await compareAndSet<Version, Traded>({
      writeId,
      read: () => read(userId),
      decide: ({ arrivalMs, nowMs }) => ({
        ...take(giveBack(arrivalMs, policy, unused), policy, nowMs, wanted),
        nowMs,
      }),
      write: (before, { taken, arrivalMs }) =>
        taken > 0 || unused > 0 ? write(userId, before, arrivalMs, writeId) : undefined,
    })
    if (end.kind === 'absent' || end.kind === 'contended')
      throw new ServiceUnavailable('firestore', 'The shared rate is being changed too fast')
    return end.decision
  }

  async function read(userId: string): Promise<Version> {
    const snapshot = await firestore.call('read rate', (db) => db.collection(COLLECTION).doc(userKey(userId)).get())
    const { updateTime, readTime } = snapshot
    return { ...StoredRate.parse(snapshot.data() ?? {}), nowMs: readTime.toMillis(), updateTime }
  }

  async function write(userId: string, before: Version, arrivalMs: number, writeId: string): Promise<Version | 'lost'> {
    const { nowMs, updateTime } = before
    const writes = appendWrite(before.writes, writeId)
    requireReadable(WrittenRate, { arrivalMs, writes }, 'a rate')
    const data = { arrivalMs, writes, expireAt: new Date(nowMs + KEPT_MS) }
    try {
      const { writeTime } = await firestore.call('write rate', (db) => {
        const doc = db.collection(COLLECTION).doc(userKey(userId))
        return updateTime === undefined ? doc.create(data) : doc.update(data, { lastUpdateTime: updateTime })
      })
      return { arrivalMs, writes, nowMs, updateTime: writeTime }
    } catch (error) {
      if (isLostPrecondition(error)) return 'lost'
      throw error
    }
  }
}
