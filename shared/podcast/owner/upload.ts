import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'

import { QuotaExceeded } from '../../quotas/refusals.ts'
import { sourceKey } from '../artefacts.ts'
import type { Episode } from '../episode.ts'
import { EpisodeNotFound, UnusableRecording } from '../errors.ts'
import type { SignedUpload } from '../storage.ts'
import { removeReplaced, replaceRecording } from '../strays.ts'
import { readOwned, requireOwned, requireStatus } from './access.ts'
import type { Owner, OwnerTools } from './access.ts'
import { bringObject, takeUpAnnounced } from './bring.ts'
import { BY_OWNER, changeEpisode } from './change.ts'

const UPLOAD_SECONDS = 1800
/** What storage refuses after the link has expired may still be on its way for so long. */
const ARRIVING_MS = 3_600_000
const ALLOWED = ['draft'] as const

/** Streams audio into storage and makes it the episode's recording. */
export async function uploadAudio(
  tools: OwnerTools,
  owner: Owner,
  { episodeId, audio }: { episodeId: string; audio: { stream: () => Readable; contentType: string; bytesMax: number } },
  signal: AbortSignal,
): Promise<Episode> {
  const key = newSourceKey(episodeId)
  const { contentType, bytesMax } = audio
  return bringObject(tools, owner, {
    episodeId,
    key,
    bytesMax,
    allowed: ALLOWED,
    store: () => tools.objects.create(key, audio.stream(), contentType, signal),
    takeUp: ({ sizeBytes, generation }) =>
      changeEpisode(tools, {
        userId: owner.userId,
        episodeId,
        allowed: ALLOWED,
        transition: (episode, nowMs) => {
          const empty = 'The recording is empty.'
          if (sizeBytes === 0) throw new UnusableRecording({ message: empty, technical: empty })
          const current = replaceRecording(takeUpAnnounced(episode, key, nowMs), nowMs)
          const recording = { key, contentType, sizeBytes, objectGeneration: generation }
          return { next: { ...current, audio: recording }, tasks: [] }
        },
      }),
  })
}

type LinkRequest = { readonly episodeId: string; readonly contentType: string; readonly sizeBytes: number }

/**
 * A link through which a recording of any size goes straight to storage, once. It counts as what was announced. The
 * link before it ends, and so does what came through it.
 * @throws QuotaExceeded
 */
export async function prepareUpload(tools: OwnerTools, owner: Owner, request: LinkRequest): Promise<SignedUpload> {
  const { episodeId, contentType, sizeBytes } = request
  const key = newSourceKey(episodeId)
  const upload = await tools.objects.signedUpload(key, contentType, sizeBytes, UPLOAD_SECONDS)
  try {
    await removeReplaced(tools, await awaitUpload(tools, owner, { ...request, key }))
  } catch (error) {
    if (!(error instanceof QuotaExceeded) || !(await endUnusedLink(tools, owner, episodeId))) throw error
    await awaitUpload(tools, owner, { ...request, key })
  }
  return upload
}

async function awaitUpload(
  tools: OwnerTools,
  { userId, limits }: Owner,
  { episodeId, key, contentType, sizeBytes }: LinkRequest & { readonly key: string },
): Promise<Episode> {
  const landed = await tools.episodes.move(episodeId, (stored, nowMs) => {
    const episode = requireStatus(requireOwned(stored, userId), ALLOWED)
    const linkUntilMs = nowMs + UPLOAD_SECONDS * 1000 + ARRIVING_MS
    const audio = { key, contentType, declaredBytes: sizeBytes, linkUntilMs }
    const next = { ...replaceRecording(episode, nowMs), audio, updatedAtMs: nowMs }
    return { next, cause: BY_OWNER, room: limits, reservations: [episode.audio?.reservation] }
  })
  if (landed === undefined) throw new EpisodeNotFound()
  return landed.next
}

/**
 * Ends the link of a draft that has brought nothing yet: its room is needed for the next one.
 * @returns whether that has made room
 */
async function endUnusedLink(tools: OwnerTools, { userId }: Owner, episodeId: string): Promise<boolean> {
  const { audio } = await readOwned(tools, userId, episodeId)
  if (audio?.linkUntilMs === undefined || audio.sizeBytes !== undefined) return false
  if ((await tools.objects.stat(audio.key)) !== undefined) return false
  const landed = await tools.episodes.move(episodeId, (episode, nowMs) => {
    const isSame = episode.audio?.key === audio.key && episode.status === 'draft'
    return isSame ? { next: replaceRecording(episode, nowMs) } : {}
  })
  if (landed?.next === undefined) return false
  const settled = await removeReplaced(tools, landed.next)
  return settled !== landed.next
}

/** An upload gets a name of its own, so that a link can be create-once and a second upload replaces nothing. */
function newSourceKey(episodeId: string): string {
  return sourceKey(episodeId, randomBytes(9).toString('hex'))
}
