import type { CallContext } from '../resilience/call-context.ts'
import { inLanes } from '../resilience/lanes.ts'
import { artefactKey, episodePrefix, outputKeys } from './artefacts.ts'
import type { Episode } from './episode.ts'
import { forgetAbandonedJobs, stopJobs } from './jobs.ts'
import { stepResults } from './step-results.ts'
import { settleStrays } from './strays.ts'
import type { NotesCache, Objects } from './storage.ts'
import type { EpisodeStore } from './stores.ts'
import type { PortLists } from './ports.ts'
import { viewCurrent } from '../engine/transitions/upgrade.ts'

/* What a sweep does to episodes that have ended. */

/** Removed at a time. */
const LANES = 8

export type CleanUpTools = Pick<PortLists, 'transcribers' | 'masterings'> & {
  readonly episodes: EpisodeStore
  readonly objects: Objects
  readonly notesCache: NotesCache
  readonly now: () => number
  readonly random: () => number
  readonly orphanAgeMs: number
}

/**
 * Rids an episode that has ended of what it does not refer to: what was replaced or never taken up, and once it is old
 * enough artefacts of attempts that lost their lease. The recording and every result stay. Objects younger than an orphan
 * may belong to a retry that has begun since.
 */
export async function tidyEpisode(tools: CleanUpTools, episodeId: string, signal: AbortSignal): Promise<void> {
  // Before the episode is read: what it does not refer to then was stored after that, or is nobody's.
  const nowMs = tools.now()
  const episode = await tools.episodes.read(episodeId)
  if (episode === undefined || episode.status === 'processing') return
  const call = callFor(tools, episodeId, signal)
  await stopJobs(tools, episode, call)
  await tidyFiles(tools, episode, nowMs, signal)
  // Last: it may have to be tried again for as long as a provider is away.
  await forgetAbandonedJobs(tools, episode, call)
}

async function tidyFiles(tools: CleanUpTools, episode: Episode, nowMs: number, signal: AbortSignal): Promise<void> {
  const gone = await removeStrays(tools, episode, nowMs)
  const recording = await lookForRecording(tools, episode, nowMs)
  const isOld = episode.updatedAtMs <= nowMs - tools.orphanAgeMs
  if (!isOld && gone.size === 0 && recording === undefined) return
  const seenBytes = isOld ? await removeOrphans(tools, episode, nowMs, signal) : new Map<string, number>()
  if (isOld)
    for (const { step, result } of stepResults(episode.results)) await step.tidy?.(result, episode.userId, tools)
  await tools.episodes.move(episode.id, (current, atMs) => {
    const settled = settleStrays(current, { gone })
    if (current.updatedAtMs !== episode.updatedAtMs) return { next: settled }
    const counted = countTranscript(withRecording(settled, recording), seenBytes)
    const next = isOld ? { ...counted, tidiedAtMs: atMs } : counted
    return { next, reservations: isOld ? [episode.audio?.reservation] : [] }
  })
}

/** @returns the keys of those that are gone for good */
async function removeStrays(
  { objects }: Pick<CleanUpTools, 'objects'>,
  { strays = [] }: Episode,
  nowMs: number,
): Promise<ReadonlySet<string>> {
  const due = strays.filter(({ untilMs }) => untilMs <= nowMs)
  for (const { key } of due) await objects.remove({ key })
  return new Set(due.map(({ key }) => key))
}

/**
 * Removes what nothing refers to and is as old as an orphan.
 * @returns the sizes of the objects that are left
 */
async function removeOrphans(
  { objects, orphanAgeMs }: Pick<CleanUpTools, 'objects' | 'orphanAgeMs'>,
  episode: Episode,
  nowMs: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, number>> {
  const left = new Map<string, number>()
  // What could not be read of its document may refer to any of them.
  if (episode.leftOut !== undefined) return left
  const kept = keysOf(episode)
  for await (const page of objects.list(episodePrefix(episode.id))) {
    signal.throwIfAborted()
    const orphans = page.filter(({ key, createdAtMs }) => !kept.has(key) && createdAtMs <= nowMs - orphanAgeMs)
    for (const { key, sizeBytes } of page) left.set(key, sizeBytes)
    await inLanes(LANES, orphans, async (orphan) => {
      await objects.remove(orphan)
      left.delete(orphan.key)
    })
  }
  return left
}

/** What became of a recording that was to come by a link: its size, or that it never came. */
type Looked = { readonly key: string; readonly sizeBytes: number | undefined }

async function lookForRecording(
  { objects }: Pick<CleanUpTools, 'objects'>,
  { status, audio }: Episode,
  nowMs: number,
): Promise<Looked | undefined> {
  if (status !== 'draft' || audio === undefined || audio.sizeBytes !== undefined) return undefined
  const stored = await objects.stat(audio.key)
  const isOver = audio.linkUntilMs !== undefined && audio.linkUntilMs <= nowMs
  return stored === undefined && !isOver ? undefined : { key: audio.key, sizeBytes: stored?.sizeBytes }
}

/** From here on a recording counts as what it is, and one that never came is none. */
function withRecording(episode: Episode, looked: Looked | undefined): Episode {
  const { audio, ...rest } = episode
  if (looked === undefined || audio?.key !== looked.key || audio.sizeBytes !== undefined) return episode
  return looked.sizeBytes === undefined ? rest : { ...episode, audio: { ...audio, sizeBytes: looked.sizeBytes } }
}

/** A transcript by hand of the first release counts from here on. */
function countTranscript(episode: Episode, bytesOf: ReadonlyMap<string, number>): Episode {
  const { handTranscript } = episode
  const sizeBytes = handTranscript && bytesOf.get(handTranscript.key)
  if (handTranscript === undefined || handTranscript.sizeBytes !== undefined || sizeBytes === undefined) return episode
  return { ...episode, handTranscript: { ...handTranscript, sizeBytes } }
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
export function mayHoldFiles({ status, audio, handTranscript }: Episode): boolean {
  return status === 'draft' ? audio !== undefined || handTranscript !== undefined : true
}

/** Every object that an episode says it consists of, or that it has announced. */
function keysOf({ audio, handTranscript, strays = [], results, upgrade }: Episode): ReadonlySet<string> {
  const ofResults = [results, upgrade?.results ?? {}]
    .flatMap((some) => Object.values(some))
    .flatMap((result) => (typeof result === 'object' && result !== null ? Object.values(result) : []))
  const brought = [audio?.key, handTranscript?.key, ...strays.map(({ key }) => key)]
  return new Set([...brought, ...ofResults].filter((value) => typeof value === 'string'))
}

function callFor({ random }: CleanUpTools, correlationId: string, signal: AbortSignal): CallContext {
  return { signal, correlationId, random }
}
