import { randomUUID } from 'node:crypto'

import type { Timestamp } from '@google-cloud/firestore'

import { appendWrite, compareAndSet } from '../breaker/compare-and-set.ts'
import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import { chronicled } from '../episodes/history.ts'
import type { Cause } from '../episodes/history.ts'
import { Episode } from '../episodes/schema.ts'
import type { EpisodeStatus } from '../episodes/schema.ts'
import { sweepAtMs } from '../episodes/sweep/due.ts'
import type { SweepLimits } from '../episodes/sweep/due.ts'
import { GRPC, grpcCode } from '../errors/grpc-code.ts'
import { log } from '../telemetry/log.ts'
import { usageChange } from '../quotas/usage.ts'
import type { UsageChange } from '../quotas/usage.ts'
import { countUsage } from './usage.ts'
import { ForeignPageToken } from './errors.ts'
import { changedFields } from './changed-fields.ts'
import type { FieldChange } from './changed-fields.ts'
import type { FirestoreAccess } from './firestore.ts'

export const EPISODES = 'episodes'
/** How many episodes an instance remembers its last write of. */
const REMEMBERED_EPISODES = 50

export type PageQuery = {
  userId: string
  status?: EpisodeStatus | undefined
  pageSize: number
  pageToken?: string | undefined
}
export type EpisodeStore = ReturnType<typeof episodeStore>

/**
 * What a change is to be: `episode` absent leaves it alone; `cause` goes into its history; `reservations` of its
 * owner's usage are over with it.
 */
type Change = {
  episode?: Episode | undefined
  cause?: Cause | undefined
  reservations?: readonly (string | undefined)[] | undefined
}

type Move = Change & { episode: Episode }

/** An episode as it was at one update time, with the ids of the writes that led there. */
export type Version = { episode: Episode; writes: string[]; updateTime: Timestamp }

/**
 * Episodes in Firestore: one document each, moved by compare-and-set on its update time. With every write go the
 * episode's history and, as `sweepAtMs`, when the sweep must look at it; in the same commit, what it changes in its
 * owner's usage.
 */
export function episodeStore(firestore: FirestoreAccess, limits: SweepLimits) {
  const lastWritten = new Map<string, Version>()
  return {
    preload: firestore.preload,

    /** @returns false when the id is taken */
    async create(episode: Episode): Promise<boolean> {
      try {
        const first = stamped(undefined, episode, { by: 'owner' })
        await firestore.call('create episode', (db) => db.collection(EPISODES).doc(episode.id).create(first))
        return true
      } catch (error) {
        if (grpcCode(error) === GRPC.alreadyExists) return false
        throw error
      }
    },

    async read(id: string): Promise<Episode | undefined> {
      const snapshot = await firestore.call('read episode', (db) => db.collection(EPISODES).doc(id).get())
      return snapshot.exists ? Episode.parse(snapshot.data()) : undefined
    },

    /**
     * Moves one episode: `decide` sees it as it is and answers how it should be, or no episode to leave it alone; it
     * may be asked several times. What this instance wrote last is tried first, without a read: a compare-and-set
     * cannot succeed on anything but the newest version, and every other decision is made on a fresh one.
     * @param seen the version that was read last, where that was a moment ago
     * @returns undefined when there is no such episode
     * @throws ServiceUnavailable when others were faster too often
     */
    async move<Decision extends Change>(
      id: string,
      decide: (episode: Episode) => Decision,
      seen?: Version,
    ): Promise<Decision | undefined> {
      const writeId = randomUUID()
      const version = seen ?? lastWritten.get(id)
      lastWritten.delete(id)
      const end = await compareAndSet<Version, Decision>({
        writeId,
        known: version && { kind: 'remembered', version },
        read: () => readVersion(id),
        decide: ({ episode }) => decide(episode),
        write: (before, { episode, ...rest }) => episode && write(id, before, { episode, ...rest }, writeId),
      })
      switch (end.kind) {
        case 'landed':
        case 'unchanged':
          return end.decision
        case 'absent':
          return undefined
        case 'contended':
          throw new ServiceUnavailable('firestore', `Episode ${id} is being changed too fast`)
      }
    },

    /** A person's episodes, newest first. The token is where the last page ended. */
    async page({
      userId,
      status,
      pageSize,
      pageToken,
    }: PageQuery): Promise<{ episodes: Episode[]; nextPageToken?: string }> {
      const after = pageToken === undefined ? undefined : decodeToken(pageToken)
      const found = await firestore.call('list episodes', (db) => {
        let query = db.collection(EPISODES).where('userId', '==', userId)
        if (status !== undefined) query = query.where('status', '==', status)
        query = query.orderBy('createdAtMs', 'desc').orderBy('id', 'desc')
        if (after !== undefined) query = query.startAfter(after.createdAtMs, after.id)
        return query.limit(pageSize + 1).get()
      })
      const last = found.docs[pageSize - 1]?.data()
      const more = found.size > pageSize && last !== undefined
      return {
        episodes: found.docs.slice(0, pageSize).flatMap((document) => visible(document.id, document.data())),
        ...(more && { nextPageToken: encodeToken(last['createdAtMs'], last['id']) }),
      }
    },

    async remove(id: string): Promise<void> {
      await firestore.call('remove episode', (db) => db.collection(EPISODES).doc(id).delete())
    },
  }

  async function readVersion(id: string): Promise<Version | undefined> {
    const snapshot = await firestore.call('read episode', (db) => db.collection(EPISODES).doc(id).get())
    if (!snapshot.exists || snapshot.updateTime === undefined) return undefined
    return versionOf(snapshot.data() ?? {}, snapshot.updateTime)
  }

  /** Writes what was decided on a version, if that is still the newest. */
  async function write(id: string, version: Version, decision: Move, writeId: string): Promise<Version | 'lost'> {
    const writes = appendWrite(version.writes, writeId)
    const after = stamped(version.episode, decision.episode, decision.cause ?? { by: 'system' })
    const changes = [...changedFields(version.episode, after), { path: ['recentWrites'], value: writes }]
    const reservations = (decision.reservations ?? []).filter((one) => one !== undefined)
    const usage = { change: usageChange(version.episode, after), reservations }
    const updateTime = await update(id, changes, version.updateTime, after.userId, usage)
    if (updateTime === undefined) return 'lost'
    const written = { episode: after, writes, updateTime }
    remember(id, written)
    return written
  }

  /** @returns the new update time, or undefined when the document has changed, or gone, since it was read */
  async function update(
    id: string,
    changes: FieldChange[],
    readAt: Timestamp,
    userId: string,
    usage: { change: UsageChange | undefined; reservations: readonly string[] },
  ): Promise<Timestamp | undefined> {
    const { FieldPath, FieldValue } = await import('@google-cloud/firestore')
    const [first, ...rest] = changes.map(({ path, value }) => [
      new FieldPath(...path),
      value === undefined ? FieldValue.delete() : value,
    ])
    try {
      const [written] = await firestore.call('update episode', (db) => {
        const batch = db.batch()
        const fields = [first?.[0] as FirebaseFirestore.FieldPath, first?.[1], ...rest.flat()] as const
        batch.update(db.collection(EPISODES).doc(id), ...fields, { lastUpdateTime: readAt })
        countUsage(batch, userId, usage, { db, FieldValue })
        return batch.commit()
      })
      return written?.writeTime
    } catch (error) {
      if (isLostPrecondition(error)) return undefined
      throw error
    }
  }

  function stamped(before: Episode | undefined, after: Episode, cause: Cause): Episode {
    return withDue(chronicled(before, after, cause), sweepAtMs(after, limits))
  }

  function remember(id: string, version: Version): void {
    lastWritten.set(id, version)
    if (lastWritten.size > REMEMBERED_EPISODES) lastWritten.delete(lastWritten.keys().next().value ?? '')
  }
}

function withDue(episode: Episode, dueMs: number | undefined): Episode {
  const { sweepAtMs: _former, ...rest } = episode
  return dueMs === undefined ? rest : { ...rest, sweepAtMs: dueMs }
}

/** @throws ZodError when it is no episode as we know it */
export function versionOf(stored: Record<string, unknown>, updateTime: Timestamp): Version {
  const writes = Array.isArray(stored['recentWrites']) ? (stored['recentWrites'] as string[]) : []
  return { episode: Episode.parse(stored), writes, updateTime }
}

/** One document that cannot be read must not hide the others. */
function visible(id: string, stored: unknown): Episode[] {
  const parsed = Episode.safeParse(stored)
  if (parsed.success) return parsed.data.deletedAtMs === undefined ? [parsed.data] : []
  log('ERROR', 'episode.unreadable', { episodeId: id, issues: parsed.error.issues.slice(0, 5) })
  return []
}

function encodeToken(createdAtMs: unknown, id: unknown): string {
  return Buffer.from(`${String(createdAtMs)}.${String(id)}`).toString('base64url')
}

function decodeToken(token: string): { createdAtMs: number; id: string } {
  const [, time, id] = /^(\d{1,15})\.([\w-]{1,64})$/.exec(Buffer.from(token, 'base64url').toString()) ?? []
  if (time === undefined || id === undefined) throw new ForeignPageToken()
  return { createdAtMs: Number(time), id }
}
