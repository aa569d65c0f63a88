import { episodePrefix } from './artefacts.ts'
import type { Episode } from './episode.ts'
import { PIPELINE } from './pipeline.ts'
import type { StepName } from './pipeline.ts'
import type { NotesCache, Objects } from './storage.ts'
import { blockKey, openKeys } from './strays.ts'

type RemovalTools = { readonly objects: Objects; readonly notesCache: NotesCache; readonly now: () => number }

/**
 * Removes what is stored of an episode: its files, and what was kept of them for its owner's other episodes. What could
 * still bring something is blocked before, and stays so.
 */
export async function removeFiles({ objects, notesCache, now }: RemovalTools, episode: Episode): Promise<void> {
  const open = openKeys(episode, now())
  for (const key of open) await blockKey(objects, key)
  await objects.removeAll(episodePrefix(episode.id), new Set(open))
  for (const results of [episode.results, episode.upgrade?.results ?? {}])
    for (const step of PIPELINE) await forget(step, results, { objects, notesCache })
}

type Kept = Pick<RemovalTools, 'objects' | 'notesCache'>

/** What a step says of its own result, for any step: which result it is given goes by its name. */
type Forgetful = { readonly name: StepName; forget?(result: never, kept: Kept): Promise<void> }

async function forget(step: Forgetful, results: Episode['results'], kept: Kept): Promise<void> {
  const result = results[step.name]
  if (result !== undefined) await step.forget?.(result as never, kept)
}
