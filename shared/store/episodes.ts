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
import { READING, readingToRemove } from '../podcast/damaged-episode.ts'
import { Episode } from '../podcast/episode.ts'
import { EpisodeUnreadable } from '../podcast/errors.ts'
import { PIPELINE } from '../podcast/pipeline.ts'
import type { EpisodeChange, EpisodeStore } from '../podcast/stores.ts'
import { usageChange } from '../podcast/usage.ts'
import { log } from '../telemetry/log.ts'
import { changedFields } from './changed-fields.ts'
import { ForeignPageToken } from './errors.ts'
import type { FirestoreAccess } from './firestore.ts'
import { readLeniently } from './read-leniently.ts'
import type { ReadLeniently } from './read-leniently.ts'
import { requireReadable } from './require-readable.ts'
import { countUsage } from './usage.ts'

const EPISODES = 'episodes'
/** How many episodes an instance remembers its last write of. */
const REMEMBERED_EPISODES = 50
const ISSUES_MAX = 5
const LEFT_OUT_TOLD_MAX = 20

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
        const first = requireReadable(Episode, prepare(undefined, episode, { by: 'owner' }), `episode ${episode.id}`)
        await firestore.call('create episode', (db) => db.collection(EPISODES).doc(episode.id).create(first))
        return true
      } catch (error) {
        if (grpcCode(error) === GRPC.alreadyExists) return false
        throw error
      }
    },

    read: async (id) => (await readVersion(id, parseEpisode))?.episode,

    readToRemove: async (id) => (await readVersion(id, parseToRemove))?.episode,

    move(id, decide, seen) {
      const known = (seen?.version as Version | undefined) ?? lastWritten.get(id)
      lastWritten.delete(id)
      return move(id, decide, { known, read: () => readVersion(id, parseEpisode) })
    },

    moveToRemove: (id, decide) => move(id, decide, { known: undefined, read: () => readVersion(id, parseToRemove) }),

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
        episodes: found.docs.slice(0, pageSize).flatMap(readVisible),
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

  async function move<Decision extends EpisodeChange>(
    id: string,
    decide: (episode: Episode, nowMs: number) => Decision,
    { known, read }: { known: Version | undefined; read: () => Promise<Version | undefined> },
  ): Promise<Decision | undefined> {
    const writeId = randomUUID()
    const end = await compareAndSet<Version, Decision>({
      writeId,
      known: known && { kind: 'remembered', version: known },
      read,
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
  }

  async function readVersion(id: string, parse: ParseEpisode): Promise<Version | undefined> {
    const snapshot = await firestore.call('read episode', (db) => db.collection(EPISODES).doc(id).get())
    if (!snapshot.exists || snapshot.updateTime === undefined) return undefined
    return versionOf(id, snapshot.data() ?? {}, { updateTime: snapshot.updateTime, parse })
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
    const moved = prepare(before.episode, next ?? before.episode, cause ?? { by: 'system' })
    const after = requireReadable(Episode, moved, `episode ${id}`)
    const changes = [
      ...changedFields(without(before.episode, 'leftOut'), without(after, 'leftOut')),
      { path: ['recentWrites'], value: writes },
    ]
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

type ParseEpisode = (id: string, stored: Record<string, unknown>) => Episode

/** @throws EpisodeUnreadable */
function parseEpisode(id: string, stored: Record<string, unknown>): Episode {
  const isBeingDeleted = typeof stored['deletedAtMs'] === 'number'
  const read = readLeniently(Episode, stored, isBeingDeleted ? readingToRemove(id, stored) : READING)
  if (read === undefined) {
    const issues = Episode.safeParse(stored).error?.issues.slice(0, ISSUES_MAX)
    log('ERROR', 'episode.unreadable', { episodeId: id, issues })
    throw new EpisodeUnreadable(undefined)
  }
  return withLeftOut(id, read)
}

/** @throws EpisodeUnreadable for what is no document of ours at all */
function parseToRemove(id: string, stored: Record<string, unknown>): Episode {
  const read = readLeniently(Episode, stored, readingToRemove(id, stored))
  if (read === undefined) throw new EpisodeUnreadable(undefined)
  return withLeftOut(id, read)
}

function withLeftOut(id: string, { value, leftOut }: ReadLeniently<Episode>): Episode {
  if (leftOut.length === 0) return value
  log('ERROR', 'episode.damaged', { episodeId: id, leftOut: leftOut.slice(0, LEFT_OUT_TOLD_MAX) })
  return { ...value, leftOut }
}

/** @throws EpisodeUnreadable */
function versionOf(
  id: string,
  stored: Record<string, unknown>,
  { updateTime, parse }: { updateTime: Timestamp; parse: ParseEpisode },
): Version {
  const writes = Array.isArray(stored['recentWrites']) ? (stored['recentWrites'] as string[]) : []
  return { episode: parse(id, stored), writes, updateTime }
}

function readableVersion(document: QueryDocumentSnapshot): Version | undefined {
  try {
    const { id, updateTime } = document
    return versionOf(id, document.data(), { updateTime, parse: parseEpisode })
  } catch {
    return undefined
  }
}

/** One document that cannot be read must not hide the others. */
function readVisible(document: QueryDocumentSnapshot): Episode[] {
  const episode = readableVersion(document)?.episode
  return episode === undefined || episode.deletedAtMs !== undefined ? [] : [episode]
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
