import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'

import { sourceKey } from '../artefacts.ts'
import type { Episode } from '../episode.ts'
import { UnusableRecording } from '../errors.ts'
import type { SignedUpload } from '../storage.ts'
import { readOwned, requireStatus } from './access.ts'
import type { Owner, OwnerTools } from './access.ts'
import { changeEpisode, withReservation } from './change.ts'

const UPLOAD_SECONDS = 3600
/** What storage refuses after the link has expired may still be on its way for so long. */
const ARRIVING_MS = 3_600_000

/** Streams audio into storage and makes it the episode's recording. */
export async function uploadAudio(
  tools: OwnerTools,
  owner: Owner,
  { episodeId, audio }: { episodeId: string; audio: { stream: () => Readable; contentType: string; bytesMax: number } },
  signal: AbortSignal,
): Promise<Episode> {
  const { userId } = owner
  const allowed = ['draft'] as const
  requireStatus(await readOwned(tools, userId, episodeId), allowed)
  const reservation = randomBytes(9).toString('hex')
  const key = sourceKey(episodeId, reservation)
  const request = { id: reservation, bytes: audio.bytesMax, untilMs: tools.now() + ARRIVING_MS }
  return withReservation(tools, owner, request, async () => {
    const { sizeBytes, generation } = await tools.objects.create(key, audio.stream(), audio.contentType, signal)
    const empty = 'The recording is empty.'
    if (sizeBytes === 0) throw new UnusableRecording({ message: empty, technical: empty })
    const recording = { key, contentType: audio.contentType, sizeBytes, objectGeneration: generation }
    const transition = (episode: Episode) => ({ next: { ...episode, audio: recording }, tasks: [] })
    return changeEpisode(tools, { userId, episodeId, allowed, transition, reservations: [reservation] })
  })
}

/** A link through which a recording of any size goes straight to storage, once. */
export async function prepareUpload(
  tools: OwnerTools,
  { userId, limits }: Owner,
  request: { episodeId: string; contentType: string; sizeBytes: number },
): Promise<SignedUpload> {
  const { episodeId, contentType, sizeBytes } = request
  const allowed = ['draft'] as const
  requireStatus(await readOwned(tools, userId, episodeId), allowed)
  const reservation = randomBytes(9).toString('hex')
  const key = sourceKey(episodeId, reservation)
  // Whether the recording ever arrives is known when it is processed, or tidied away as an orphan.
  const untilMs = tools.now() + tools.config.orphanAgeMs + ARRIVING_MS
  await tools.usage.reserve(userId, { id: reservation, bytes: sizeBytes, untilMs }, limits)
  const upload = await tools.objects.signedUpload(key, contentType, sizeBytes, UPLOAD_SECONDS)
  const audio = { key, contentType, declaredBytes: sizeBytes, reservation }
  const transition = (episode: Episode) => ({ next: { ...episode, audio }, tasks: [] })
  await changeEpisode(tools, { userId, episodeId, allowed, transition })
  return upload
}
