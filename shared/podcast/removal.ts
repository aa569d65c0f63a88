import { episodePrefix } from './artefacts.ts'
import type { Episode } from './episode.ts'
import type { NotesCache, Objects } from './storage.ts'
import { blockKey, openKeys } from './strays.ts'

type RemovalTools = { readonly objects: Objects; readonly notesCache: NotesCache; readonly now: () => number }

/**
 * Removes what is stored of an episode: its files, and what was kept of them for its owner's other episodes. What could
 * still bring something is blocked before, and stays so.
 */
export async function removeFiles({ objects, notesCache, now }: RemovalTools, episode: Episode): Promise<void> {
  const { id, results } = episode
  const open = openKeys(episode, now())
  for (const key of open) await blockKey(objects, key)
  await objects.removeAll(episodePrefix(id), new Set(open))
  if (results.write?.cacheKey !== undefined) await notesCache.forget(results.write.cacheKey)
  const voiceKey = results.voice?.cacheKey
  const kept = voiceKey === undefined ? undefined : await objects.stat(voiceKey)
  if (voiceKey !== undefined && kept !== undefined) await objects.remove({ key: voiceKey, generation: kept.generation })
}
