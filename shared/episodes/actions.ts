import { randomBytes } from 'node:crypto'

import type { Operation } from '../http/operation.ts'
import { recordedSeconds } from '../quotas/usage.ts'
import { handTranscriptKey } from './artefacts.ts'
import { changeAndEnqueue, enqueueAll, hasHad, OWNER, readOwned, requireStatus, withReservation } from './change.ts'
import type { Needs, Owner } from './change.ts'
import { EpisodeNotFound, NeverProcessed, RecordingReplaced, UnusableRecording } from './errors.ts'
import type { HandTranscript } from './hand-transcript.ts'
import { cancel, start, takeTranscript } from './lifecycle.ts'
import { outstandingOrders } from './machine.ts'
import { freshSteps } from './moves.ts'
import type { Moved } from './moves.ts'
import { removeFiles } from './removal.ts'
import { SCHEMA_VERSION } from './schema.ts'
import type { Episode, Options } from './schema.ts'
import type { StepName } from './steps.ts'
import { fileNameOf } from './text.ts'
import type { Outputs } from './view.ts'

const DOWNLOAD_SECONDS = 3600

/** A reservation for an episode at work outlives the write that begins it, and no more. */
const BEGINNING_MS = 60_000

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

/** Starts the pipeline. Again while it runs: nothing new, but an order that was never enqueued is. */
export async function processEpisode(
  needs: Needs,
  owner: Owner,
  episodeId: string,
  operation: Operation,
): Promise<Episode> {
  const { userId } = owner
  const episode = await readOwned(needs, userId, episodeId)
  if (!hasHad(episode, operation)) requireStatus(episode, ['draft', 'processing'])
  if (episode.status !== 'draft') {
    await enqueueAll(needs, episode.id, outstandingOrders(episode, episode.generation))
    return episode
  }
  const { audio } = episode
  const stored = audio && (await needs.objects.stat(audio.key))
  if (audio === undefined || stored === undefined)
    throw new UnusableRecording({
      message: 'There is no recording yet. Please upload one first.',
      technical: audio === undefined ? 'The episode has no audio' : 'The upload has not arrived in storage',
    })
  if (audio.declaredBytes !== undefined && stored.sizeBytes > audio.declaredBytes)
    throw new UnusableRecording({
      technical: `The upload is larger than the ${audio.declaredBytes} bytes announced`,
    })
  const { reservation, ...known } = audio
  const pinned = { ...known, sizeBytes: stored.sizeBytes, objectGeneration: stored.generation }
  const begin = (current: Episode): Moved => {
    if (current.status === 'processing')
      return { episode: current, orders: outstandingOrders(current, current.generation) }
    if (current.audio?.key !== audio.key) throw new RecordingReplaced()
    return start({ ...current, audio: pinned }, needs.now())
  }
  const seconds = recordedSeconds({ audio: pinned, results: {} })
  return atWork(needs, owner, episodeId, seconds, (ids) =>
    changeAndEnqueue(needs, userId, episodeId, operation, ['draft', 'processing'], begin, [reservation, ...ids]),
  )
}

/** Reserves one more episode at work while what makes it one is written. */
async function atWork(
  needs: Needs,
  owner: Owner,
  episodeId: string,
  seconds: number,
  begin: (reservations: string[]) => Promise<Episode>,
): Promise<Episode> {
  const request = { id: `begin-${episodeId}`, episodes: 1, seconds, untilMs: needs.now() + BEGINNING_MS }
  return withReservation(needs, owner, request, () => begin([request.id]))
}

/** Takes the words of the recording from its owner, at any moment before it is ready. */
export async function giveTranscript(
  needs: Needs,
  owner: Owner,
  episodeId: string,
  transcript: HandTranscript,
): Promise<Episode> {
  const { userId } = owner
  const allowed = ['draft', 'processing', 'error'] as const
  const episode = requireStatus(await readOwned(needs, userId, episodeId), allowed)
  const key = handTranscriptKey(episodeId, randomBytes(9).toString('hex'))
  await needs.objects.create(key, JSON.stringify(transcript), 'application/json')
  const give = (reservations: string[]) =>
    changeAndEnqueue(
      needs,
      userId,
      episodeId,
      undefined,
      allowed,
      (current) => {
        if (current.status !== 'draft' && current.audio?.objectGeneration === undefined) throw new NeverProcessed()
        return takeTranscript(current, { key, timed: transcript.timed }, needs.now())
      },
      reservations,
    )
  if (episode.status !== 'error') return give([])
  return atWork(needs, owner, episodeId, recordedSeconds(episode), give)
}

export async function retryEpisode(
  needs: Needs,
  owner: Owner,
  episodeId: string,
  operation: Operation,
  from?: StepName,
): Promise<Episode> {
  const { userId } = owner
  const episode = await readOwned(needs, userId, episodeId)
  const again = (current: Episode): Moved => {
    if (current.audio?.objectGeneration === undefined) throw new NeverProcessed()
    return start(current, needs.now(), from)
  }
  const retry = (reservations: string[]) =>
    changeAndEnqueue(needs, userId, episodeId, operation, ['error', 'cancelled'], again, reservations)
  // What is done already needs no room.
  if (hasHad(episode, operation)) return retry([])
  requireStatus(episode, ['error', 'cancelled'])
  return atWork(needs, owner, episodeId, recordedSeconds(episode), retry)
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
    if (episode.userId !== userId) return { gone: true, known: false, files: undefined }
    if (episode.deletedAtMs !== undefined)
      return { gone: episode.filesRemovedAtMs !== undefined, known: knownToProviders(episode), files: episode }
    const nowMs = needs.now()
    const deleted = { ...episode, deletedAtMs: nowMs, updatedAtMs: nowMs, generation: episode.generation + 1 }
    return { gone: false, known: knownToProviders(episode), files: episode, episode: deleted, cause: OWNER }
  })
  if (marked === undefined || marked.gone) {
    if (operation.resumed) return
    throw new EpisodeNotFound()
  }
  if (marked.files !== undefined) await removeFiles(needs, marked.files)
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
