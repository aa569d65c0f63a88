import { randomUUID } from 'node:crypto'

import type { DocumentSnapshot, QueryDocumentSnapshot, Timestamp, WriteBatch } from '@google-cloud/firestore'

import { appendWrite, compareAndSet } from '../breaker/compare-and-set.ts'
import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { recordHistory } from '../engine/history.ts'
import type { Cause } from '../engine/history.ts'
import type { Due } from '../engine/ports.ts'
import { sweepAtMs } from '../engine/sweep/due.ts'
import type { SweepRules } from '../engine/sweep/due.ts'
import { without } from '../engine/workflow.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import { beginDeletion } from '../podcast/deletion/deletion.ts'
import { Episode } from '../podcast/episode.ts'
import { PIPELINE } from '../podcast/pipeline.ts'
import type { EpisodeChange, EpisodeStore } from '../podcast/stores.ts'
import { usageChange } from '../podcast/usage.ts'
import { QuotaExceeded } from '../quotas/refusals.ts'
import { Turns } from '../resilience/turns.ts'
import { changedFields } from './changed-fields.ts'
import { deletionDocument, DELETIONS } from './deletions.ts'
import { EPISODES, parseEpisode, parseToRemove, readableVersion, readVisible, versionOf } from './episode-documents.ts'
import type { ParseEpisode, Version } from './episode-documents.ts'
import { ForeignPageToken } from './errors.ts'
import { lookAtEpisode } from './look.ts'
import type { FirestoreAccess } from './firestore.ts'
import { requireReadable } from './require-readable.ts'
import { checkRoom, countUsage, landWithinRoom } from './usage.ts'
import type { CheckedUsage, FirestoreWords } from './usage.ts'

/** How many episodes an instance remembers its last write of. */
const REMEMBERED_EPISODES = 50

/** What is known of an episode that is to be created. */
type Creation = { isThere: boolean; writes: readonly string[] }
/** What is left of an episode that was removed. */
type Removed = { writes: readonly string[] }

/**
 * Episodes in Firestore: one document each, moved by compare-and-set on its update time. With every write go the
 * episode's history and, as `sweepAtMs`, when the sweep must look at it; in the same commit, what it changes in its
 * owner's usage. What this instance wrote last is tried first, without a read, while it knows what time it is there.
 * @param now the store's time
 */
export function episodeStore(firestore: FirestoreAccess, rules: SweepRules, now: () => number): EpisodeStore {
  const lastWritten = new Map<string, Version>()
  /** By person. */
  const turns = new Turns()
  return {
    preload: firestore.preload,

    async create(episode, room) {
      const { id, userId } = episode
      const first = requireReadable(Episode, prepare(undefined, episode, { by: 'owner' }), `episode ${id}`)
      const change = usageChange(undefined, first)
      const insert = async (): Promise<Creation | 'lost'> => {
        const checked = await checkRoom(firestore, userId, { change, room }, now)
        const landed = await commit('create episode', (batch, words) => {
          batch.create(words.db.collection(EPISODES).doc(id), first)
          countUsage(batch, userId, { change, reservations: [], checked }, words)
        })
        return landed === 'lost' ? 'lost' : { writes: [], isThere: true }
      }
      let isAgain = false
      // A lost write may be this one's own, repeated by the client, or one of an earlier try of the same operation.
      const read = async () => ({ writes: [], isThere: isAgain && (await exists(id)) })
      try {
        const end = await compareAndSet<Creation, undefined>({
          writeId: id,
          read,
          decide: () => undefined,
          write({ isThere }) {
            isAgain = true
            return isThere ? undefined : turns.take(userId, insert)
          },
        })
        if (end.kind === 'contended') throw changedTooFast(id)
        return end.kind === 'landed'
      } catch (error) {
        // What an earlier try has created needs no room.
        if (error instanceof QuotaExceeded && (await exists(id))) return false
        throw error
      }
    },

    read: async (id) => (await readVersion(id, parseEpisode))?.episode,

    look: (id) => lookAtEpisode(firestore, id),

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
      const end = await compareAndSet<Version | Removed, undefined>({
        writeId: id,
        read: () => readVersion(id, parseToRemove),
        decide: () => undefined,
        write: (version) => ('episode' in version ? removeVersion(id, version) : undefined),
      })
      if (end.kind === 'contended') throw changedTooFast(id)
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
      ...(known !== undefined && firestore.clock.isFresh() && { known: { kind: 'remembered', version: known } }),
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
        throw changedTooFast(id)
    }
  }

  async function exists(id: string): Promise<boolean> {
    return (await readDocument(id)).exists
  }

  function readDocument(id: string): Promise<DocumentSnapshot> {
    return firestore.call('read episode', (db) => db.collection(EPISODES).doc(id).get())
  }

  async function readVersion(id: string, parse: ParseEpisode): Promise<Version | undefined> {
    const snapshot = await readDocument(id)
    if (!snapshot.exists || snapshot.updateTime === undefined) return undefined
    return versionOf(id, snapshot.data() ?? {}, { updateTime: snapshot.updateTime, parse })
  }

  /** Writes what was decided on a version, if that is still the newest. @throws QuotaExceeded */
  async function write(
    id: string,
    before: Version,
    { next, cause, reservations: ending = [], room }: EpisodeChange,
    writeId: string,
  ): Promise<Version | 'lost'> {
    const writes = appendWrite(before.writes, writeId)
    const moved = prepare(before.episode, next ?? before.episode, cause ?? { by: 'system' })
    const after = requireReadable(Episode, moved, `episode ${id}`)
    const changes = [
      ...changedFields(without(before.episode, 'leftOut'), without(after, 'leftOut')).filter(
        ({ path: [field] }) => field !== 'recentWrites',
      ),
      { path: ['recentWrites'], value: writes },
    ]
    const change = usageChange(before.episode, after)
    const reservations = ending.filter((one) => one !== undefined)
    const update = (checked?: CheckedUsage) =>
      commit('update episode', (batch, words) => {
        const { db, FieldPath, FieldValue } = words
        const [first, ...rest] = changes.map(({ path, value }) => [
          new FieldPath(...path),
          value === undefined ? FieldValue.delete() : value,
        ])
        const fields = [first?.[0] as FirebaseFirestore.FieldPath, first?.[1], ...rest.flat()] as const
        batch.update(db.collection(EPISODES).doc(id), ...fields, { lastUpdateTime: before.updateTime })
        countUsage(batch, after.userId, { change, reservations, checked }, words)
      })
    // One instance's own changes of a person's usage do not stand in each other's way.
    const within = () =>
      landWithinRoom<{ writeTime: Timestamp }>(firestore, {
        userId: after.userId,
        change,
        room,
        isCurrent: async () => (await readDocument(id)).updateTime?.isEqual(before.updateTime) === true,
        land: update,
        now,
      })
    const landed = await (room === undefined ? update() : turns.take(after.userId, within))
    return landed === 'lost' ? 'lost' : remember(id, { episode: after, writes, updateTime: landed.writeTime })
  }

  /** Removes a deleted episode, if that version is still the newest, and what it counts; a record takes its place. */
  async function removeVersion(id: string, { episode, updateTime }: Version): Promise<Removed | 'lost'> {
    const change = usageChange(episode, undefined)
    const record = deletionDocument(beginDeletion({ ...episode, id }, now()))
    const landed = await commit('remove episode', (batch, words) => {
      batch.delete(words.db.collection(EPISODES).doc(id), { lastUpdateTime: updateTime })
      batch.set(words.db.collection(DELETIONS).doc(id), record)
      // A document so damaged that it does not say whose it is counts for nobody.
      if (episode.userId !== '') countUsage(batch, episode.userId, { change, reservations: [] }, words)
    })
    return landed === 'lost' ? 'lost' : { writes: [] }
  }

  /** @returns the result of the first write, or 'lost' when a document was not as the writes expected it */
  async function commit(
    what: string,
    fill: (batch: WriteBatch, words: FirestoreWords) => void,
  ): Promise<{ readonly writeTime: Timestamp } | 'lost'> {
    const { FieldPath, FieldValue } = await import('./firestore-client.ts')
    try {
      const [first] = await firestore.call(what, (db) => {
        const batch = db.batch()
        fill(batch, { db, FieldPath, FieldValue })
        return batch.commit()
      })
      return first ?? 'lost'
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

function changedTooFast(id: string): ServiceUnavailable {
  return new ServiceUnavailable('firestore', `Episode ${id} is being changed too fast`)
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
