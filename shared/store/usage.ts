import type { FieldValue as FirestoreValue, Timestamp, WriteBatch } from '@google-cloud/firestore'

import { ServiceUnavailable } from '../errors/unavailable.ts'
import { lostPrecondition } from '../errors/grpc-code.ts'
import type { Limits } from '../quotas/plans.ts'
import { QuotaExceeded } from '../quotas/refusals.ts'
import { isRefusal, reserve, Usage } from '../quotas/usage.ts'
import type { Refusal, ReservationRequest, UsageChange } from '../quotas/usage.ts'
import { CAS_ATTEMPTS_MAX, pauseBeforeTry } from './compare-and-set.ts'
import type { FirestoreAccess } from './firestore.ts'
import { userKey } from './user-key.ts'

const COLLECTION = 'usage'

export type UsageStore = {
  read(userId: string): Promise<Usage>
  /**
   * Reserves what is asked for. @throws QuotaExceeded, or ServiceUnavailable when it cannot be looked up: without its
   * store a quota lets nobody through.
   */
  reserve(userId: string, request: ReservationRequest, limits: Limits): Promise<void>
  /** Gives a reservation back whose use came to nothing. */
  release(userId: string, id: string): Promise<void>
}

type Waiting = {
  request: ReservationRequest
  limits: Limits
  done: (refusal: Refusal | undefined) => void
  failed: (error: unknown) => void
}

/** What people use, in Firestore. Reservations that one instance makes for one person at a time share a write. */
export function usageStore(firestore: FirestoreAccess, now: () => number): UsageStore {
  const queues = new Map<string, Waiting[]>()

  return {
    read: async (userId) => (await readUsage(userId)).usage,

    async reserve(userId, request, limits) {
      if (unlimited(request, limits)) return
      const refusal = await new Promise<Refusal | undefined>((done, failed) => {
        const queue = queues.get(userId)
        const waiting = { request, limits, done, failed }
        if (queue !== undefined) return void queue.push(waiting)
        queues.set(userId, [waiting])
        void drain(userId)
      })
      if (refusal !== undefined) throw new QuotaExceeded(refusal, now())
    },

    async release(userId, id) {
      const { FieldValue } = await import('@google-cloud/firestore')
      await firestore.call('release reservation', (db) =>
        db
          .collection(COLLECTION)
          .doc(userKey(userId))
          .set({ pending: { [id]: FieldValue.delete() } }, { merge: true }),
      )
    },
  }

  /** Serves whoever waits, all of them at once, until nobody does. */
  async function drain(userId: string): Promise<void> {
    for (;;) {
      // Those who come in this very moment share the write.
      await Promise.resolve()
      const batch = queues.get(userId)?.splice(0) ?? []
      if (batch.length === 0) return void queues.delete(userId)
      try {
        const refusals = await reserveAll(userId, batch)
        for (const [index, { done }] of batch.entries()) done(refusals[index])
      } catch (error) {
        for (const { failed } of batch) failed(error)
      }
    }
  }

  async function reserveAll(userId: string, batch: readonly Waiting[]): Promise<(Refusal | undefined)[]> {
    for (let attempt = 0; attempt < CAS_ATTEMPTS_MAX; attempt++) {
      await pauseBeforeTry(attempt)
      const { usage, updateTime } = await readUsage(userId)
      const nowMs = now()
      let next = usage
      const refusals = batch.map(({ request, limits }) => {
        const answer = reserve(next, request, limits, nowMs)
        if (isRefusal(answer)) return answer
        next = answer
        return undefined
      })
      if (next === usage || (await write(userId, next, updateTime))) return refusals
    }
    throw new ServiceUnavailable('firestore', 'The usage of this account is being changed too fast')
  }

  async function readUsage(userId: string): Promise<{ usage: Usage; updateTime?: Timestamp }> {
    const snapshot = await firestore.call('read usage', (db) => db.collection(COLLECTION).doc(userKey(userId)).get())
    const usage = Usage.parse(snapshot.data() ?? {})
    return { usage, ...(snapshot.exists && snapshot.updateTime && { updateTime: snapshot.updateTime }) }
  }

  /** Writes the reservations, if nothing has changed since they were read. */
  async function write(userId: string, { pending }: Usage, updateTime: Timestamp | undefined): Promise<boolean> {
    try {
      await firestore.call('write usage', (db) => {
        const doc = db.collection(COLLECTION).doc(userKey(userId))
        return updateTime === undefined
          ? doc.create({ userId, pending })
          : doc.update({ userId, pending }, { lastUpdateTime: updateTime })
      })
      return true
    } catch (error) {
      if (lostPrecondition(error)) return false
      throw error
    }
  }
}

function unlimited({ bytes, episodes, seconds }: ReservationRequest, limits: Limits): boolean {
  const asked = [
    ...(bytes ? [limits.storageBytes] : []),
    ...(episodes ? [limits.activeEpisodes, limits.episodesThisMonth] : []),
    ...(seconds ? [limits.minutesThisMonth] : []),
  ]
  return asked.every((limit) => limit === Infinity)
}

/** Counts a change of usage in a commit with the episode that caused it; reservations that were for it are over. */
export function countUsage(
  batch: WriteBatch,
  userId: string,
  { change, reservations }: { change: UsageChange | undefined; reservations: readonly string[] },
  { db, FieldValue }: { db: FirebaseFirestore.Firestore; FieldValue: typeof FirestoreValue },
): void {
  if (change === undefined && reservations.length === 0) return
  const { month, ...counters } = change ?? {}
  const increments = (amounts: Record<string, number>) =>
    Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, FieldValue.increment(amount)]))
  const monthly = ({ name, costs, ...sums }: NonNullable<UsageChange['month']>) => {
    const ofProviders = Object.entries(costs ?? {}).map(([provider, units]) => [provider, increments(units)])
    return { [name]: { ...increments(sums), ...(costs && { costs: Object.fromEntries(ofProviders) }) } }
  }
  batch.set(
    db.collection(COLLECTION).doc(userKey(userId)),
    {
      userId,
      ...increments(counters),
      ...(month && { months: monthly(month) }),
      ...(reservations.length > 0 && {
        pending: Object.fromEntries(reservations.map((id) => [id, FieldValue.delete()])),
      }),
    },
    { merge: true },
  )
}
