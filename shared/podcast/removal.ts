import type { Dependencies } from '../dependencies/dependencies.ts'
import { episodePrefix } from './artefacts.ts'
import type { Episode } from './schema.ts'

/** Removes what is stored of an episode: its files, and what was kept of them for its owner's other episodes. */
export async function removeFiles(
  { objects, notesCache }: Pick<Dependencies, 'objects' | 'notesCache'>,
  { id, results }: Pick<Episode, 'id' | 'results'>,
): Promise<void> {
  await objects.removeAll(episodePrefix(id))
  if (results.write?.cacheKey !== undefined) await notesCache.forget(results.write.cacheKey)
  const spoken = results.voice?.cacheKey
  const kept = spoken === undefined ? undefined : await objects.stat(spoken)
  if (spoken !== undefined && kept !== undefined) await objects.remove({ key: spoken, generation: kept.generation })
}
