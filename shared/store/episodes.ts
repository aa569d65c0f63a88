import { randomUUID } from 'node:crypto'

import type { QueryDocumentSnapshot, Timestamp } from '@google-cloud/firestore'

import { appendWrite, compareAndSet } from '../breaker/compare-and-set.ts'
import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { recordHistory } from '../engine/history.ts'
import type { Cause } from '../engine/history.ts'
import type { Due } from '../engine/ports.ts'
import { sweepAtMs } from '../engine/sweep/due.ts'
import type { SweepRules } from '../engine/sweep/due.ts'
import { without } from '../engine/workflow.ts'
import { GRPC, grpcCode } from '../errors/grpc-code.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import { Episode } from '../podcast/episode.ts'
import { PIPELINE } from '../podcast/pipeline.ts'
import type { EpisodeChange, EpisodeStore } from '../podcast/stores.ts'
import { usageChange } from '../podcast/usage.ts'
import { log } from '../telemetry/log.ts'
import { changedFields } from './changed-fields.ts'
import { ForeignPageToken } from './errors.ts'
import type { FirestoreAccess } from './firestore.ts'
import { countUsage } from './usage.ts'

const EPISODES = 'episodes'
/** How many episodes an instance remembers its last write of. */
const REMEMBERED_EPISODES = 50

/** An episode as it was at one update time, with the ids of the writes that led there. */
type Version = { episode: Episode; writes: readonly string[]; updateTime: Timestamp }

/**
 * Episodes in Firestore: one document each, moved by compare-and-set on its update time. With every write go the
 * episode's history and, as `sweepAtMs`, when the sweep must look at it; in the same commit, what it changes in its
 * owner's usage. What this instance wrote last is tried first, without a read.
 */
export function episodeStore(firestore: FirestoreAccess, rules: SweepRules, now: () => number): EpisodeStore {
  const lastWritten = new Map<string, Version>()
  return {
    preload: firestore.preload,

    async create(episode) {
      try {
        const first = prepare(undefined, episode, { by: 'owner' })
        await firestore.call('create episode', (db) => db.collection(EPISODES).doc(episode.id).create(first))
        return true
      } catch (error) {
        if (grpcCode(error) === GRPC.alreadyExists) return false
        throw error
      }
    },

    async read(id) {
      const snapshot = await firestore.call('read episode', (db) => db.collection(EPISODES).doc(id).get())
      return snapshot.exists ? Episode.parse(snapshot.data()) : undefined
    },

    async move(id, decide, seen) {
      const writeId = randomUUID()
      const version = (seen?.version as Version | undefined) ?? lastWritten.get(id)
      lastWritten.delete(id)
      const end = await compareAndSet<Version, ReturnType<typeof decide>>({
        writeId,
        known: version && { kind: 'remembered', version },
        read: () => readVersion(id),
        decide: ({ episode }) => decide(episode, now()),
        write: (before, change) => (change.next === undefined ? undefined : write(id, before, change, writeId)),
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

    async page({ userId, status, pageSize, pageToken }) {
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
        episodes: found.docs.slice(0, pageSize).flatMap((document) => readVisible(document.id, document.data())),
        ...(more && { nextPageToken: encodeToken(last['createdAtMs'], last['id']) }),
      }
    },

    async *due(nowMs, pageSize) {
      let last: QueryDocumentSnapshot | undefined
      do {
        const after = last
        const page = await firestore.call('episodes due', (db) => {
          const query = db.collection(EPISODES).where('sweepAtMs', '<=', nowMs).orderBy('sweepAtMs').limit(pageSize)
          return (after === undefined ? query : query.startAfter(after)).get()
        })
        if (page.size > 0) yield page.docs.map(dueOf)
        last = page.size < pageSize ? undefined : page.docs.at(-1)
      } while (last !== undefined)
    },

    async remove(id) {
      await firestore.call('remove episode', (db) => db.collection(EPISODES).doc(id).delete())
    },
  }

  async function readVersion(id: string): Promise<Version | undefined> {
    const snapshot = await firestore.call('read episode', (db) => db.collection(EPISODES).doc(id).get())
    if (!snapshot.exists || snapshot.updateTime === undefined) return undefined
    return versionOf(snapshot.data() ?? {}, snapshot.updateTime)
  }

  /** Writes what was decided on a version, if that is still the newest. */
  async function write(
    id: string,
    before: Version,
    { next, cause, reservations = [] }: EpisodeChange,
    writeId: string,
  ): Promise<Version | 'lost'> {
    const { FieldPath, FieldValue } = await import('./firestore-client.ts')
    const writes = appendWrite(before.writes, writeId)
    const after = prepare(before.episode, next ?? before.episode, cause ?? { by: 'system' })
    const changes = [...changedFields(before.episode, after), { path: ['recentWrites'], value: writes }]
    const [first, ...rest] = changes.map(({ path, value }) => [
      new FieldPath(...path),
      value === undefined ? FieldValue.delete() : value,
    ])
    const usage = {
      change: usageChange(before.episode, after),
      reservations: reservations.filter((one) => one !== undefined),
    }
    try {
      const [landed] = await firestore.call('update episode', (db) => {
        const batch = db.batch()
        const fields = [first?.[0] as FirebaseFirestore.FieldPath, first?.[1], ...rest.flat()] as const
        batch.update(db.collection(EPISODES).doc(id), ...fields, { lastUpdateTime: before.updateTime })
        countUsage(batch, after.userId, usage, { db, FieldValue })
        return batch.commit()
      })
      if (landed === undefined) return 'lost'
      return remember(id, { episode: after, writes, updateTime: landed.writeTime })
    } catch (error) {
      if (isLostPrecondition(error)) return 'lost'
      throw error
    }
  }

  /** The episode with what is derived from it. */
  function prepare(before: Episode | undefined, after: Episode, cause: Cause): Episode {
    const told = recordHistory(before, after, cause, 'episode')
    const dueMs = sweepAtMs(PIPELINE, after, rules)
    return dueMs === undefined ? without(told, 'sweepAtMs') : { ...told, sweepAtMs: dueMs }
  }

  function remember(id: string, version: Version): Version {
    lastWritten.set(id, version)
    if (lastWritten.size > REMEMBERED_EPISODES) lastWritten.delete(lastWritten.keys().next().value ?? '')
    return version
  }

  function dueOf(document: QueryDocumentSnapshot): Due<Episode> {
    const version = readableVersion(document)
    return {
      id: document.id,
      seen: version && { workflow: version.episode, version },
      async postpone(untilMs) {
        try {
          await firestore.call('postpone episode', () =>
            document.ref.update({ sweepAtMs: untilMs }, { lastUpdateTime: document.updateTime }),
          )
        } catch (error) {
          if (!isLostPrecondition(error)) throw error
        }
      },
    }
  }
}

/** @throws ZodError when it is no episode as we know it */
function versionOf(stored: Record<string, unknown>, updateTime: Timestamp): Version {
  const writes = Array.isArray(stored['recentWrites']) ? (stored['recentWrites'] as string[]) : []
  return { episode: Episode.parse(stored), writes, updateTime }
}

function readableVersion(document: QueryDocumentSnapshot): Version | undefined {
  try {
    return versionOf(document.data(), document.updateTime)
  } catch {
    return undefined
  }
}

/** One document that cannot be read must not hide the others. */
function readVisible(id: string, stored: unknown): Episode[] {
  const parsed = Episode.safeParse(stored)
  if (parsed.success) return parsed.data.deletedAtMs === undefined ? [parsed.data] : []
  log('ERROR', 'episode.unreadable', { episodeId: id, issues: parsed.error.issues.slice(0, 5) })
  return []
}

function encodeToken(createdAtMs: unknown, id: unknown): string {
  return Buffer.from(`${String(createdAtMs)}.${String(id)}`).toString('base64url')
}

/** @throws ForeignPageToken */
function decodeToken(token: string): { createdAtMs: number; id: string } {
  const [, time, id] = /^(\d{1,15})\.([\w-]{1,64})$/.exec(Buffer.from(token, 'base64url').toString()) ?? []
  if (time === undefined || id === undefined) throw new ForeignPageToken()
  return { createdAtMs: Number(time), id }
}
