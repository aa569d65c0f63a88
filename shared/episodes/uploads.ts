import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'

import { sourceKey } from './artefacts.ts'
import { change, readOwned, requireStatus, withReservation } from './change.ts'
import type { Needs, Owner } from './change.ts'
import { UnusableRecording } from './errors.ts'
import type { Episode } from './schema.ts'

const UPLOAD_SECONDS = 3600
/** What storage refuses after the link has expired may still be on its way for so long. */
const ARRIVING_MS = 3_600_000

/** Streams audio into storage and makes it the episode's recording. */
export async function uploadAudio(
  needs: Needs,
  owner: Owner,
  episodeId: string,
  audio: { stream: () => Readable; contentType: string; bytesMax: number },
  signal: AbortSignal,
): Promise<Episode> {
  const { userId } = owner
  requireStatus(await readOwned(needs, userId, episodeId), ['draft'])
  const reservation = randomBytes(9).toString('hex')
  const key = sourceKey(episodeId, reservation)
  const request = { id: reservation, bytes: audio.bytesMax, untilMs: needs.now() + ARRIVING_MS }
  return withReservation(needs, owner, request, async () => {
    const { sizeBytes, generation } = await needs.objects.create(key, audio.stream(), audio.contentType, signal)
    const empty = 'The recording is empty.'
    if (sizeBytes === 0) throw new UnusableRecording({ message: empty, technical: empty })
    const stored = { key, contentType: audio.contentType, sizeBytes, objectGeneration: generation }
    return change(needs, userId, episodeId, ['draft'], (episode) => ({ ...episode, audio: stored }), reservation)
  })
}

/** A link through which a recording of any size goes straight to storage, once. */
export async function prepareUpload(
  needs: Needs,
  { userId, limits }: Owner,
  wish: { episodeId: string; contentType: string; sizeBytes: number },
) {
  const { episodeId, contentType, sizeBytes } = wish
  requireStatus(await readOwned(needs, userId, episodeId), ['draft'])
  const reservation = randomBytes(9).toString('hex')
  const key = sourceKey(episodeId, reservation)
  // Whether the recording ever arrives is known when it is processed, or tidied away as an orphan.
  const untilMs = needs.now() + needs.config.orphanAgeMs + ARRIVING_MS
  await needs.usage.reserve(userId, { id: reservation, bytes: sizeBytes, untilMs }, limits)
  const upload = await needs.objects.signedUpload(key, contentType, sizeBytes, UPLOAD_SECONDS)
  await change(needs, userId, episodeId, ['draft'], (episode) => ({
    ...episode,
    audio: { key, contentType, declaredBytes: sizeBytes, reservation },
  }))
  return upload
}
