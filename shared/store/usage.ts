import type {
  FieldPath as FirestorePath,
  FieldValue as FirestoreValue,
  Timestamp,
  WriteBatch,
} from '@google-cloud/firestore'

import { compareAndSet } from '../breaker/compare-and-set.ts'
import { QuotaExceeded } from '../quotas/refusals.ts'
import { expiredReservations, growthOf, refuseGrowth, Usage } from '../quotas/usage.ts'
import type { UsageChange } from '../quotas/usage.ts'
import type { UsageStore } from '../quotas/usage-store.ts'
import type { Room } from '../podcast/stores.ts'
import type { FirestoreAccess } from './firestore.ts'
import { log } from '../telemetry/log.ts'
import { readLeniently } from './read-leniently.ts'
import { userKey } from './user-key.ts'

const COLLECTION = 'usage'
/** How often a change is checked against usage that changes, before its episode is decided on anew. */
const CHECKS_MAX = 6

type Version = { readonly usage: Usage; readonly updateTime: Timestamp | undefined }

/** What people use, in Firestore. */
export function usageStore(firestore: FirestoreAccess): UsageStore {
  return { read: async (userId) => (await readUsage(firestore, userId)).usage }
}

async function readUsage(firestore: FirestoreAccess, userId: string): Promise<Version> {
  const snapshot = await firestore.call('read usage', (db) => db.collection(COLLECTION).doc(userKey(userId)).get())
  const stored = snapshot.data() ?? {}
  const updateTime = snapshot.exists ? snapshot.updateTime : undefined
  const { value: usage, leftOut } = readLeniently(Usage, stored) ?? { value: Usage.parse({}), leftOut: ['all'] }
  if (leftOut.length > 0) log('ERROR', 'usage.damaged', { userId, leftOut })
  return { usage, updateTime }
}

/** A person's usage that a change was checked against, and that it lands on or not at all. */
export type CheckedUsage = {
  readonly updateTime: Timestamp | undefined
  /** Reservations in it that have ended by themselves. */
  readonly expired: readonly string[]
}

/**
 * Looks up whether a change stays within limits.
 * @returns undefined when it adds nothing that is limited
 * @throws QuotaExceeded, or ServiceUnavailable when it cannot be looked up: without its store a quota lets nobody through
 */
export async function checkRoom(
  firestore: FirestoreAccess,
  userId: string,
  { change, room = {} }: { readonly change: UsageChange | undefined; readonly room: Room | undefined },
  now: () => number,
): Promise<CheckedUsage | undefined> {
  const growth = Object.entries(growthOf(change)) as [keyof Room, number][]
  if (!growth.some(([quota, more]) => more > 0 && (room[quota] ?? Infinity) !== Infinity)) return undefined
  const { usage, updateTime } = await readUsage(firestore, userId)
  const nowMs = now()
  const refusal = refuseGrowth(usage, change, room, nowMs)
  if (refusal !== undefined) throw new QuotaExceeded(refusal, nowMs)
  return { updateTime, expired: expiredReservations(usage, nowMs) }
}

/** A change of an episode that adds to what is limited. */
type LimitedChange<Landed> = {
  readonly userId: string
  readonly change: UsageChange | undefined
  readonly room: Room | undefined
  /** Whether the episode is still as the change found it. */
  readonly isCurrent: () => Promise<boolean>
  /** Writes the episode, with what the change counts, on top of the usage that was checked. */
  readonly land: (checked: CheckedUsage | undefined) => Promise<Landed | 'lost'>
  readonly now: () => number
}

/**
 * Lands a change whose owner's usage stays within limits. Usage that others change meanwhile is looked up again, without
 * deciding anew on the episode.
 * @returns 'lost' when the episode is another by now. A change is refused only while the episode is as it was found:
 * else somebody may have done just this, and taken the room.
 * @throws QuotaExceeded, or ServiceUnavailable
 */
export async function landWithinRoom<Landed>(
  firestore: FirestoreAccess,
  { userId, change, room, isCurrent, land, now }: LimitedChange<Landed>,
): Promise<Landed | 'lost'> {
  let landed: Landed | 'lost' = 'lost'
  let isFirst = true
  await compareAndSet<{ checked: CheckedUsage | undefined; writes: [] }, undefined>({
    // It is not looked for: what has landed unseen is recognised by the episode.
    writeId: '',
    async read() {
      if (!isFirst && !(await isCurrent())) return undefined
      isFirst = false
      try {
        return { checked: await checkRoom(firestore, userId, { change, room }, now), writes: [] }
      } catch (error) {
        if (error instanceof QuotaExceeded && !(await isCurrent())) return undefined
        throw error
      }
    },
    decide: () => undefined,
    async write(version) {
      landed = await land(version.checked)
      return landed === 'lost' ? 'lost' : version
    },
    triesMax: CHECKS_MAX,
  })
  return landed
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
  const ending = [...reservations, ...(checked?.expired ?? [])]
  const over = { pending: Object.fromEntries(ending.map((id) => [id, FieldValue.delete()])) }
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
