import { randomUUID } from 'node:crypto'

import type {
  FieldPath as FirestorePath,
  FieldValue as FirestoreValue,
  Timestamp,
  WriteBatch,
} from '@google-cloud/firestore'
import * as z from 'zod'

import { appendWrite, compareAndSet } from '../breaker/compare-and-set.ts'
import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import type { Limits } from '../quotas/plans.ts'
import { QuotaExceeded } from '../quotas/refusals.ts'
import { isRefusal, refuseGrowth, reserve, Usage } from '../quotas/usage.ts'
import type { Refusal, ReservationRequest, UsageChange } from '../quotas/usage.ts'
import type { UsageStore } from '../quotas/usage-store.ts'
import type { Room } from '../podcast/stores.ts'
import type { FirestoreAccess } from './firestore.ts'
import { log } from '../telemetry/log.ts'
import { readLeniently } from './read-leniently.ts'
import { requireReadable } from './require-readable.ts'
import { userKey } from './user-key.ts'

const COLLECTION = 'usage'

type Waiting = {
  request: ReservationRequest
  limits: Limits
  resolve: (refusal: Refusal | undefined) => void
  reject: (error: unknown) => void
}

type Answer = { refusals: (Refusal | undefined)[]; next: Usage | undefined }
/** A person's usage as it was read or written; without an update time there is no document yet. */
type Version = { usage: Usage; updateTime: Timestamp | undefined; writes: readonly string[] }
const Writes = z.array(z.string()).catch([])

/** What people use, in Firestore. Reservations that one instance makes for one person at a time share a write. */
export function usageStore(firestore: FirestoreAccess, now: () => number): UsageStore {
  const queues = new Map<string, Waiting[]>()

  return {
    read: async (userId) => (await readUsage(firestore, userId)).usage,

    async reserve(userId, request, limits) {
      if (isUnlimited(request, limits)) return
      const refusal = await new Promise<Refusal | undefined>((resolve, reject) => {
        const queue = queues.get(userId)
        const waiting = { request, limits, resolve, reject }
        if (queue !== undefined) return void queue.push(waiting)
        queues.set(userId, [waiting])
        void drain(userId)
      })
      if (refusal !== undefined) throw new QuotaExceeded(refusal, now())
    },

    async release(userId, id) {
      const { FieldValue } = await import('./firestore-client.ts')
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
        for (const [index, { resolve }] of batch.entries()) resolve(refusals[index])
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
    }
  }

  async function reserveAll(userId: string, batch: readonly Waiting[]): Promise<(Refusal | undefined)[]> {
    const writeId = randomUUID()
    const end = await compareAndSet<Version, Answer>({
      writeId,
      read: () => readUsage(firestore, userId),
      decide: ({ usage }) => answerAll(usage, batch, now()),
      write: (before, { next }) => next && write(userId, before, next, writeId),
    })
    if (end.kind === 'absent' || end.kind === 'contended')
      throw new ServiceUnavailable('firestore', 'The usage of this account is being changed too fast')
    return end.decision.refusals
  }

  /** Writes the reservations, if nothing has changed since they were read. */
  async function write(
    userId: string,
    { updateTime, writes }: Version,
    usage: Usage,
    writeId: string,
  ): Promise<Version | 'lost'> {
    requireReadable(Usage, usage, 'usage')
    const data = { userId, pending: usage.pending, writes: appendWrite(writes, writeId) }
    try {
      const { writeTime } = await firestore.call('write usage', (db) => {
        const doc = db.collection(COLLECTION).doc(userKey(userId))
        return updateTime === undefined ? doc.create(data) : doc.update(data, { lastUpdateTime: updateTime })
      })
      return { usage, updateTime: writeTime, writes: data.writes }
    } catch (error) {
      if (isLostPrecondition(error)) return 'lost'
      throw error
    }
  }
}

/** Grants reservations one after another. `next`: the usage with those that were granted; undefined when none was. */
function answerAll(usage: Usage, batch: readonly Waiting[], nowMs: number): Answer {
  let next: Usage | undefined
  const refusals = batch.map(({ request, limits }) => {
    const answer = reserve(next ?? usage, request, limits, nowMs)
    if (isRefusal(answer)) return answer
    next = answer
    return undefined
  })
  return { refusals, next }
}

function isUnlimited({ bytes, episodes, seconds }: ReservationRequest, limits: Limits): boolean {
  const asked = [
    ...(bytes ? [limits.storageBytes] : []),
    ...(episodes ? [limits.activeEpisodes, limits.episodesThisMonth] : []),
    ...(seconds ? [limits.minutesThisMonth] : []),
  ]
  return asked.every((limit) => limit === Infinity)
}

async function readUsage(firestore: FirestoreAccess, userId: string): Promise<Version> {
  const snapshot = await firestore.call('read usage', (db) => db.collection(COLLECTION).doc(userKey(userId)).get())
  const stored = snapshot.data() ?? {}
  const updateTime = snapshot.exists ? snapshot.updateTime : undefined
  const { value: usage, leftOut } = readLeniently(Usage, stored) ?? { value: Usage.parse({}), leftOut: ['all'] }
  if (leftOut.length > 0) log('ERROR', 'usage.damaged', { userId, leftOut })
  return { usage, updateTime, writes: Writes.parse(stored['writes']) }
}

/** A person's usage that a change was checked against, and that it lands on or not at all. */
export type CheckedUsage = { readonly updateTime: Timestamp | undefined }

/**
 * Looks up whether a change stays within limits.
 * @returns undefined when it adds nothing that is limited
 * @throws QuotaExceeded, or ServiceUnavailable when it cannot be looked up
 */
export async function checkRoom(
  firestore: FirestoreAccess,
  userId: string,
  { change, room }: { readonly change: UsageChange | undefined; readonly room: Room | undefined },
  now: () => number,
): Promise<CheckedUsage | undefined> {
  const grows = (quota: keyof Room) => room?.[quota] !== Infinity && (change?.[quota] ?? 0) > 0
  if (room === undefined || !(grows('storageBytes') || grows('drafts'))) return undefined
  const { usage, updateTime } = await readUsage(firestore, userId)
  const nowMs = now()
  const refusal = refuseGrowth(usage, change, room, nowMs)
  if (refusal !== undefined) throw new QuotaExceeded(refusal, nowMs)
  return { updateTime }
}

/** Of the client, which is loaded at its first use. */
export type FirestoreWords = {
  readonly db: FirebaseFirestore.Firestore
  readonly FieldPath: typeof FirestorePath
  readonly FieldValue: typeof FirestoreValue
}

/** What a commit with an episode does to its owner's usage. */
export type UsageCommit = {
  readonly change: UsageChange | undefined
  /** They are over with it. */
  readonly reservations: readonly string[]
  /** Given: the commit lands on no other version of the usage. */
  readonly checked?: CheckedUsage | undefined
}

/** Counts a change of usage in a commit with the episode that caused it. */
export function countUsage(
  batch: WriteBatch,
  userId: string,
  { change, reservations, checked }: UsageCommit,
  { db, FieldPath, FieldValue }: FirestoreWords,
): void {
  if (change === undefined && reservations.length === 0) return
  const { month, ...counters } = change ?? {}
  const increments = (amounts: Record<string, number>) =>
    Object.fromEntries(Object.entries(amounts).map(([name, amount]) => [name, FieldValue.increment(amount)]))
  const monthly = ({ name, costs, ...sums }: NonNullable<UsageChange['month']>) => {
    const ofProviders = Object.entries(costs ?? {}).map(([provider, units]) => [provider, increments(units)])
    return { [name]: { ...increments(sums), ...(costs && { costs: Object.fromEntries(ofProviders) }) } }
  }
  const doc = db.collection(COLLECTION).doc(userKey(userId))
  const counted = { userId, ...increments(counters), ...(month && { months: monthly(month) }) }
  const over = { pending: Object.fromEntries(reservations.map((id) => [id, FieldValue.delete()])) }
  if (checked === undefined) {
    batch.set(doc, { ...counted, ...(reservations.length > 0 && over) }, { merge: true })
    return
  }
  // Where there is no usage yet there is no reservation either.
  if (checked.updateTime === undefined) return void batch.create(doc, counted)
  const [first, ...rest] = fieldsOf({ ...counted, ...over }).map(
    ([path, value]) => [new FieldPath(...path), value] as const,
  )
  if (first !== undefined) batch.update(doc, ...first, ...rest.flat(), { lastUpdateTime: checked.updateTime })
}

/** Each field that is written, by its path. */
function fieldsOf(value: object, path: readonly string[] = []): [string[], unknown][] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) =>
    typeof inner === 'object' && inner !== null && Object.getPrototypeOf(inner) === Object.prototype
      ? fieldsOf(inner, [...path, name])
      : [[[...path, name], inner] as [string[], unknown]],
  )
}
