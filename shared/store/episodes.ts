import { randomUUID } from 'node:crypto'

import { AppError } from '../errors/app-error.ts'
import { Episode } from '../episodes/schema.ts'
import type { EpisodeStatus } from '../episodes/schema.ts'
import { equalJitterMs } from '../resilience/backoff.ts'
import { changedFields } from './changed-fields.ts'
import { GRPC, grpcCode } from './firestore.ts'
import type { FirestoreAccess } from './firestore.ts'

const COLLECTION = 'episodes'
const CAS_ATTEMPTS_MAX = 12
const CAS_BACKOFF = { baseMs: 10, capMs: 400 }
/** How many of the latest writes a document remembers, so that a landed write is recognised after later ones. */
const REMEMBERED_WRITES = 8

export type PageQuery = {
  userId: string
  status?: EpisodeStatus | undefined
  pageSize: number
  pageToken?: string | undefined
}
export type EpisodeStore = ReturnType<typeof episodeStore>

/** Episodes in Firestore: one document each, moved by compare-and-set on its update time. */
export function episodeStore(firestore: FirestoreAccess) {
  return {
    preload: firestore.preload,

    /** @returns false when the id is taken */
    async create(episode: Episode): Promise<boolean> {
      try {
        await firestore.call('create episode', (db) => db.collection(COLLECTION).doc(episode.id).create(episode))
        return true
      } catch (error) {
        if (grpcCode(error) === GRPC.alreadyExists) return false
        throw error
      }
    },

    async read(id: string): Promise<Episode | undefined> {
      const snapshot = await firestore.call('read episode', (db) => db.collection(COLLECTION).doc(id).get())
      return snapshot.exists ? Episode.parse(snapshot.data()) : undefined
    },

    /**
     * Moves one episode: `decide` sees it as it is and answers how it should be, or no episode to leave it alone; it
     * may be asked again when somebody else was faster. The client repeats commits by itself, so our own landed write
     * can come back as a lost precondition: it is recognised by its write id.
     * @returns undefined when there is no such episode
     * @throws AppError service_unavailable when others were faster too often
     */
    async move<Decision extends { episode?: Episode | undefined }>(
      id: string,
      decide: (episode: Episode) => Decision,
    ): Promise<Decision | undefined> {
      const writeId = randomUUID()
      let landing: Decision | undefined
      for (let attempt = 0; attempt < CAS_ATTEMPTS_MAX; attempt++) {
        if (attempt > 0) await sleep(equalJitterMs(CAS_BACKOFF, attempt, Math.random))
        const snapshot = await firestore.call('read episode', (db) => db.collection(COLLECTION).doc(id).get())
        if (!snapshot.exists || snapshot.updateTime === undefined) return undefined
        const stored = snapshot.data() ?? {}
        const writes = Array.isArray(stored['recentWrites']) ? (stored['recentWrites'] as unknown[]) : []
        if (landing !== undefined && writes.includes(writeId)) return landing
        const before = Episode.parse(stored)
        const decision = decide(before)
        if (decision.episode === undefined) return decision
        landing = decision
        const recentWrites = [...writes, writeId].slice(-REMEMBERED_WRITES)
        const changes = [...changedFields(before, decision.episode), { path: ['recentWrites'], value: recentWrites }]
        if (await update(id, changes, snapshot.updateTime)) return decision
      }
      throw new AppError('service_unavailable', { technical: `Episode ${id} is being changed too fast` })
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
        let query = db.collection(COLLECTION).where('userId', '==', userId)
        if (status !== undefined) query = query.where('status', '==', status)
        query = query.orderBy('createdAtMs', 'desc').orderBy('id', 'desc')
        if (after !== undefined) query = query.startAfter(after.createdAtMs, after.id)
        return query.limit(pageSize + 1).get()
      })
      const read = found.docs.map((document) => Episode.parse(document.data()))
      const last = read[pageSize - 1]
      const more = read.length > pageSize && last !== undefined
      return {
        episodes: read.slice(0, pageSize).filter(({ deletedAtMs }) => deletedAtMs === undefined),
        ...(more && { nextPageToken: encodeToken(last) }),
      }
    },

    async remove(id: string): Promise<void> {
      await firestore.call('remove episode', (db) => db.collection(COLLECTION).doc(id).delete())
    },
  }

  /** @returns false when the document has changed, or gone, since it was read */
  async function update(id: string, changes: ReturnType<typeof changedFields>, readAt: FirebaseFirestore.Timestamp) {
    const { FieldPath, FieldValue } = await import('@google-cloud/firestore')
    const [first, ...rest] = changes.map(({ path, value }) => [
      new FieldPath(...path),
      value === undefined ? FieldValue.delete() : value,
    ])
    if (first === undefined) return true
    try {
      await firestore.call('update episode', (db) =>
        db
          .collection(COLLECTION)
          .doc(id)
          .update(first[0] as FirebaseFirestore.FieldPath, first[1], ...rest.flat(), { lastUpdateTime: readAt }),
      )
      return true
    } catch (error) {
      const code = grpcCode(error)
      if (code === GRPC.failedPrecondition || code === GRPC.aborted || code === 5) return false
      throw error
    }
  }
}

function encodeToken({ createdAtMs, id }: Episode): string {
  return Buffer.from(`${createdAtMs}.${id}`).toString('base64url')
}

function decodeToken(token: string): { createdAtMs: number; id: string } {
  const [, time, id] = /^(\d{1,15})\.([\w-]{1,64})$/.exec(Buffer.from(token, 'base64url').toString()) ?? []
  if (time === undefined || id === undefined)
    throw new AppError('validation_error', { technical: 'pageToken is not one of ours' })
  return { createdAtMs: Number(time), id }
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs))
}
