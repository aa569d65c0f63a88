import { inLanes } from '../../resilience/lanes.ts'
import { cachedVoicePrefix, episodePrefix, isVoiceOf } from '../artefacts.ts'
import type { Episode } from '../episode.ts'
import { stepResults } from '../step-results.ts'
import type { NotesCache, Objects } from '../storage.ts'
import { blockKey } from '../strays.ts'

type Kept = { readonly objects: Objects; readonly notesCache: NotesCache }

const LANES = 8

/**
 * Removes what is stored of a deleted episode: its files, and what was kept of them for its owner's other episodes.
 * @param blocked names under which something could still be stored: they are taken before, and stay so
 */
export async function removeFiles(kept: Kept, episode: Episode, blocked: readonly string[]): Promise<void> {
  const { objects } = kept
  await inLanes(LANES, blocked, (key) => blockKey(objects, key))
  await objects.removeAll(episodePrefix(episode.id), new Set(blocked))
  for (const results of [episode.results, episode.upgrade?.results ?? {}])
    for (const { step, result } of stepResults(results)) await step.forget?.(result, kept)
  await removeKept(kept, { episodeId: episode.id, voicesPrefix: cachedVoicePrefix(episode.userId) })
}

/**
 * Removes what an episode's workers have kept for others, whether its document came to say so or not.
 * @returns how much there was
 */
export async function removeKept(
  { objects, notesCache }: Kept,
  { episodeId, voicesPrefix }: { readonly episodeId: string; readonly voicesPrefix: string },
): Promise<number> {
  let found = await notesCache.forgetOf(episodeId)
  for await (const page of objects.list(voicesPrefix)) {
    const own = page.filter(({ key }) => isVoiceOf(episodeId, key))
    await inLanes(LANES, own, (voice) => objects.remove(voice))
    found += own.length
  }
  return found
}
