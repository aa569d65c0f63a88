import type { CallContext } from '../resilience/call-context.ts'
import { artefactKey, episodePrefix, outputKeys } from './artefacts.ts'
import type { Episode } from './episode.ts'
import { forgetJobs, stopJobs } from './jobs.ts'
import { removeFiles } from './removal.ts'
import type { NotesCache, Objects } from './storage.ts'
import type { EpisodeStore } from './stores.ts'
import type { PortLists } from './ports.ts'
import { viewCurrent } from '../engine/transitions/upgrade.ts'

/* What a sweep does to episodes that have ended, or are deleted. */

const OBJECTS_MAX = 1000

export type CleanUpTools = Pick<PortLists, 'transcribers' | 'masterings'> & {
  readonly episodes: EpisodeStore
  readonly objects: Objects
  readonly notesCache: NotesCache
  readonly now: () => number
  readonly random: () => number
  readonly orphanAgeMs: number
}

/** Ends a deletion: what providers keep, what storage keeps, and the episode itself last, so that it can be resumed. */
export async function removeEpisode(tools: CleanUpTools, episodeId: string, signal: AbortSignal): Promise<void> {
  const episode = await tools.episodes.readToRemove(episodeId)
  if (episode?.deletedAtMs === undefined) return
  await forgetJobs(tools, episode, callFor(tools, episodeId, signal))
  await removeFiles(tools, episode)
  await tools.episodes.remove(episodeId)
}

/**
 * Rids an episode that has ended of what it does not refer to: uploads that were replaced, artefacts of attempts that
 * lost their lease. The recording and every result stay. Objects younger than an orphan may belong to a retry that has
 * begun since.
 */
export async function tidyEpisode(tools: CleanUpTools, episodeId: string, signal: AbortSignal): Promise<void> {
  const episode = await tools.episodes.read(episodeId)
  if (episode === undefined || episode.status === 'processing') return
  await stopJobs(tools, episode, callFor(tools, episodeId, signal))
  const oldestMs = tools.now() - tools.orphanAgeMs
  if (episode.updatedAtMs > oldestMs) return
  const kept = keysOf(episode)
  // What could not be read of its document may refer to any of them.
  const isWhole = episode.leftOut === undefined
  const objects = isWhole ? await tools.objects.list(episodePrefix(episodeId), OBJECTS_MAX) : []
  for (const object of objects)
    if (!kept.has(object.key) && object.createdAtMs <= oldestMs) await tools.objects.remove(object)
  const audio = await findUpload(tools, episode)
  const reservations = [episode.audio?.reservation]
  await tools.episodes.move(episodeId, (current, nowMs) =>
    current.updatedAtMs === episode.updatedAtMs
      ? { next: { ...current, ...(audio && { audio }), tidiedAtMs: nowMs }, reservations }
      : {},
  )
}

/** What finishing would have stored, when every part of it is in storage. */
export async function findOutputs(
  { objects }: Pick<CleanUpTools, 'objects'>,
  episode: Episode,
): Promise<NonNullable<Episode['results']['finish']> | undefined> {
  const { generation } = viewCurrent(episode)
  const outputs = outputKeys((artefact) => artefactKey(episode.id, generation, artefact))
  for (const key of Object.values(outputs)) if ((await objects.stat(key)) === undefined) return undefined
  return outputs
}

/** Whether storage may hold anything of an episode that is not being processed. */
export function mayHoldFiles({ status, audio }: Pick<Episode, 'status' | 'audio'>): boolean {
  return status === 'draft' ? audio !== undefined : true
}

/** The recording of a draft that was uploaded straight to storage: from here on it counts as what it is. */
async function findUpload(
  { objects }: Pick<CleanUpTools, 'objects'>,
  { status, audio }: Episode,
): Promise<Episode['audio']> {
  if (status !== 'draft' || audio === undefined || audio.sizeBytes !== undefined) return undefined
  const stored = await objects.stat(audio.key)
  return stored && { ...audio, sizeBytes: stored.sizeBytes }
}

/** Every object that an episode says it consists of. */
function keysOf({ audio, handTranscript, results, upgrade }: Episode): ReadonlySet<string> {
  const ofResults = [results, upgrade?.results ?? {}]
    .flatMap((some) => Object.values(some))
    .flatMap((result) => (typeof result === 'object' && result !== null ? Object.values(result) : []))
  return new Set([audio?.key, handTranscript?.key, ...ofResults].filter((value) => typeof value === 'string'))
}

function callFor({ random }: CleanUpTools, correlationId: string, signal: AbortSignal): CallContext {
  return { signal, correlationId, random }
}
