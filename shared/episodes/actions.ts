import { randomBytes } from 'node:crypto'
import type { Readable } from 'node:stream'

import type { Dependencies } from '../dependencies/dependencies.ts'
import { AppError } from '../errors/app-error.ts'
import type { Operation } from '../http/operation.ts'
import { episodePrefix, handTranscriptKey, sourceKey } from './artefacts.ts'
import type { HandTranscript } from './hand-transcript.ts'
import { cancel, start, takeTranscript } from './lifecycle.ts'
import { outstandingOrders } from './machine.ts'
import { freshSteps } from './moves.ts'
import type { Moved } from './moves.ts'
import { SCHEMA_VERSION } from './schema.ts'
import type { Episode, EpisodeStatus, Options } from './schema.ts'
import type { StepName, StepOrder } from './steps.ts'
import { fileNameOf } from './text.ts'
import type { Outputs } from './view.ts'

const DOWNLOAD_SECONDS = 3600
const UPLOAD_SECONDS = 3600

const OWNER = { by: 'owner' }
/** How many operations an episode remembers. */
const REMEMBERED_OPERATIONS = 16

type Needs = Pick<Dependencies, 'episodes' | 'objects' | 'queue' | 'now'>

/** Creates a draft whose id is the operation's. */
export async function createEpisode(
  needs: Needs,
  userId: string,
  operation: Operation,
  wish: { title: string; language: string; options: Options },
): Promise<Episode> {
  const nowMs = needs.now()
  const episode: Episode = {
    ...wish,
    schemaVersion: SCHEMA_VERSION,
    id: operation.id,
    userId,
    status: 'draft',
    generation: 0,
    steps: freshSteps(),
    results: {},
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  }
  if (await needs.episodes.create(episode)) return episode
  // An earlier try has created it; what has become of it since is its answer.
  return readOwned(needs, userId, episode.id)
}

/** @throws AppError not_found for an episode that is not there, is being deleted, or is somebody else's */
export async function readOwned(needs: Pick<Needs, 'episodes'>, userId: string, episodeId: string): Promise<Episode> {
  return owned(await needs.episodes.read(episodeId), userId)
}

/** Streams audio into storage and makes it the episode's recording. */
export async function uploadAudio(
  needs: Needs,
  userId: string,
  episodeId: string,
  audio: { stream: () => Readable; contentType: string },
  signal: AbortSignal,
): Promise<Episode> {
  requireStatus(await readOwned(needs, userId, episodeId), ['draft'])
  const key = sourceKey(episodeId, randomBytes(9).toString('hex'))
  const stored = await needs.objects.create(key, audio.stream(), audio.contentType, signal)
  if (stored.sizeBytes === 0) throw new AppError('validation_error', { message: 'The recording is empty.' })
  return change(needs, userId, episodeId, ['draft'], (episode) => ({
    ...episode,
    audio: { key, contentType: audio.contentType, sizeBytes: stored.sizeBytes, objectGeneration: stored.generation },
  }))
}

/** A link through which a recording of any size goes straight to storage, once. */
export async function prepareUpload(
  needs: Needs,
  userId: string,
  wish: { episodeId: string; contentType: string; sizeBytes: number },
) {
  const { episodeId, contentType, sizeBytes } = wish
  requireStatus(await readOwned(needs, userId, episodeId), ['draft'])
  const key = sourceKey(episodeId, randomBytes(9).toString('hex'))
  const upload = await needs.objects.signedUpload(key, contentType, sizeBytes, UPLOAD_SECONDS)
  await change(needs, userId, episodeId, ['draft'], (episode) => ({
    ...episode,
    audio: { key, contentType, declaredBytes: sizeBytes },
  }))
  return upload
}

/** Starts the pipeline. Again while it runs: nothing new, but an order that was never enqueued is. */
export async function processEpisode(
  needs: Needs,
  userId: string,
  episodeId: string,
  operation: Operation,
): Promise<Episode> {
  const episode = await readOwned(needs, userId, episodeId)
  if (!hasHad(episode, operation)) requireStatus(episode, ['draft', 'processing'])
  if (episode.status !== 'draft') {
    await enqueueAll(needs, episode.id, outstandingOrders(episode, episode.generation))
    return episode
  }
  const { audio } = episode
  const stored = audio && (await needs.objects.stat(audio.key))
  if (audio === undefined || stored === undefined)
    throw new AppError('validation_error', {
      message: 'There is no recording yet. Please upload one first.',
      technical: audio === undefined ? 'The episode has no audio' : 'The upload has not arrived in storage',
    })
  if (audio.declaredBytes !== undefined && stored.sizeBytes > audio.declaredBytes)
    throw new AppError('validation_error', {
      technical: `The upload is larger than the ${audio.declaredBytes} bytes announced`,
    })
  const pinned = { ...audio, sizeBytes: stored.sizeBytes, objectGeneration: stored.generation }
  return changeAndEnqueue(needs, userId, episodeId, operation, ['draft', 'processing'], (current) => {
    if (current.status === 'processing')
      return { episode: current, orders: outstandingOrders(current, current.generation) }
    if (current.audio?.key !== audio.key)
      throw new AppError('conflict', { technical: 'Another recording was uploaded meanwhile' })
    return start({ ...current, audio: pinned }, needs.now())
  })
}

/** Takes the words of the recording from its owner, at any moment before it is ready. */
export async function giveTranscript(
  needs: Needs,
  userId: string,
  episodeId: string,
  transcript: HandTranscript,
): Promise<Episode> {
  const allowed = ['draft', 'processing', 'error'] as const
  requireStatus(await readOwned(needs, userId, episodeId), allowed)
  const key = handTranscriptKey(episodeId, randomBytes(9).toString('hex'))
  await needs.objects.create(key, JSON.stringify(transcript), 'application/json')
  return changeAndEnqueue(needs, userId, episodeId, undefined, allowed, (episode) => {
    if (episode.status !== 'draft' && episode.audio?.objectGeneration === undefined)
      throw new AppError('conflict', { technical: 'The episode was never processed' })
    return takeTranscript(episode, { key, timed: transcript.timed }, needs.now())
  })
}

export async function retryEpisode(
  needs: Needs,
  userId: string,
  episodeId: string,
  operation: Operation,
  from?: StepName,
): Promise<Episode> {
  return changeAndEnqueue(needs, userId, episodeId, operation, ['error', 'cancelled'], (episode) => {
    if (episode.audio?.objectGeneration === undefined)
      throw new AppError('conflict', { technical: 'The episode was never processed' })
    return start(episode, needs.now(), from)
  })
}

export async function cancelEpisode(
  needs: Needs,
  userId: string,
  episodeId: string,
  operation: Operation,
): Promise<Episode> {
  return changeAndEnqueue(needs, userId, episodeId, operation, ['processing', 'cancelled'], (episode) =>
    episode.status === 'cancelled' ? { episode, orders: [] } : cancel(episode, needs.now()),
  )
}

/**
 * Removes the episode and all it made. Marked first, so that nobody sees it or works on it any more, then emptied, then
 * removed: whichever part fails, the same call again goes on from there. To a resumed operation an episode that is not
 * there was removed by its earlier try; so is, as far as anybody may know, one that is somebody else's.
 */
export async function deleteEpisode(
  needs: Needs,
  userId: string,
  episodeId: string,
  operation: Operation,
): Promise<void> {
  const marked = await needs.episodes.move(episodeId, (episode) => {
    if (episode.userId !== userId) return { gone: true, known: false }
    if (episode.deletedAtMs !== undefined)
      return { gone: episode.filesRemovedAtMs !== undefined, known: knownToProviders(episode) }
    const nowMs = needs.now()
    const deleted = { ...episode, deletedAtMs: nowMs, updatedAtMs: nowMs, generation: episode.generation + 1 }
    return { gone: false, known: knownToProviders(episode), episode: deleted, cause: OWNER }
  })
  if (marked === undefined || marked.gone) {
    if (operation.resumed) return
    throw new AppError('not_found', { message: 'We could not find this episode.' })
  }
  await needs.objects.removeAll(episodePrefix(episodeId))
  // What providers keep of it is removed by the sweep, which removes the episode after that.
  if (marked?.known) {
    await needs.episodes.move(episodeId, (episode) => ({ episode: { ...episode, filesRemovedAtMs: needs.now() } }))
    return
  }
  await needs.episodes.remove(episodeId)
}

/** Whether a provider keeps a job of it, or may. */
function knownToProviders({ jobs = [], steps, upgrade }: Episode): boolean {
  const all = [...Object.values(steps), ...Object.values(upgrade?.steps ?? {})]
  return jobs.length > 0 || all.some(({ job }) => job !== undefined)
}

/** Signed links to what a ready episode consists of. */
export async function outputLinks(needs: Pick<Needs, 'objects'>, episode: Episode): Promise<Outputs | undefined> {
  const files = episode.results.finish
  if (episode.status !== 'ready' || files === undefined) return undefined
  const link = (key: string, extension: string) =>
    needs.objects.signedRead(key, { seconds: DOWNLOAD_SECONDS, downloadName: fileNameOf(episode.title, extension) })
  const [audioUrl, transcriptUrl, vttUrl, srtUrl] = await Promise.all([
    link(files.audioKey, 'mp3'),
    link(files.transcriptKey, 'json'),
    link(files.vttKey, 'vtt'),
    link(files.srtKey, 'srt'),
  ])
  return { audioUrl, transcriptUrl, vttUrl, srtUrl }
}

/** Stored first, enqueued second: whatever falls between is outstanding, and enqueuing it again changes nothing. */
export async function enqueueAll(
  needs: Pick<Needs, 'queue'>,
  episodeId: string,
  orders: readonly StepOrder[],
): Promise<void> {
  await Promise.all(orders.map((order) => needs.queue.enqueue(episodeId, order)))
}

async function change(
  needs: Needs,
  userId: string,
  episodeId: string,
  allowed: readonly EpisodeStatus[],
  transition: (episode: Episode) => Episode,
): Promise<Episode> {
  return changeAndEnqueue(needs, userId, episodeId, undefined, allowed, (episode) => ({
    episode: transition(episode),
    orders: [],
  }))
}

async function changeAndEnqueue(
  needs: Needs,
  userId: string,
  episodeId: string,
  operation: Operation | undefined,
  allowed: readonly EpisodeStatus[],
  transition: (episode: Episode) => Moved,
): Promise<Episode> {
  const moved = await needs.episodes.move(episodeId, (stored) => {
    const episode = owned(stored, userId)
    if (hasHad(episode, operation))
      return { result: { episode, orders: outstandingOrders(episode, episode.generation) } }
    const after = transition(requireStatus(episode, allowed))
    return after.episode === episode
      ? { result: after }
      : { episode: { ...remembering(after.episode, operation), updatedAtMs: needs.now() }, cause: OWNER, result: after }
  })
  if (moved === undefined) throw new AppError('not_found')
  await enqueueAll(needs, episodeId, moved.result.orders)
  return moved.episode ?? moved.result.episode
}

/** Whether the operation has had its effect on this episode. */
function hasHad({ recentOperations }: Episode, operation: Operation | undefined): boolean {
  return operation?.keyed === true && recentOperations?.includes(operation.id) === true
}

function remembering(episode: Episode, operation: Operation | undefined): Episode {
  if (operation?.keyed !== true) return episode
  const recentOperations = [...(episode.recentOperations ?? []), operation.id].slice(-REMEMBERED_OPERATIONS)
  return { ...episode, recentOperations }
}

function owned(episode: Episode | undefined, userId: string): Episode {
  if (episode === undefined || episode.userId !== userId || episode.deletedAtMs !== undefined)
    throw new AppError('not_found', { message: 'We could not find this episode.' })
  return episode
}

function requireStatus(episode: Episode, allowed: readonly EpisodeStatus[]): Episode {
  if (allowed.includes(episode.status)) return episode
  throw new AppError('conflict', {
    message: `This is not possible while the episode is ${SPOKEN[episode.status]}.`,
    technical: `The episode is ${episode.status}; expected ${allowed.join(' or ')}`,
    details: { status: episode.status },
  })
}

const SPOKEN: Record<EpisodeStatus, string> = {
  draft: 'a draft',
  processing: 'being processed',
  ready: 'ready',
  error: 'stopped by an error',
  cancelled: 'cancelled',
}
