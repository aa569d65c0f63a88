import { episodePrefix } from './artefacts.ts'
import type { Episode } from './episode.ts'
import type { NotesCache, Objects } from './storage.ts'

/** Removes what is stored of an episode: its files, and what was kept of them for its owner's other episodes. */
export async function removeFiles(
  { objects, notesCache }: { readonly objects: Objects; readonly notesCache: NotesCache },
  { id, results }: Pick<Episode, 'id' | 'results'>,
): Promise<void> {
  await objects.removeAll(episodePrefix(id))
  if (results.write?.cacheKey !== undefined) await notesCache.forget(results.write.cacheKey)
  const voiceKey = results.voice?.cacheKey
  const kept = voiceKey === undefined ? undefined : await objects.stat(voiceKey)
  if (voiceKey !== undefined && kept !== undefined) await objects.remove({ key: voiceKey, generation: kept.generation })
}
