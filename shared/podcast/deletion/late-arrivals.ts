import { inLanes } from '../../resilience/lanes.ts'
import { errorFields, log } from '../../telemetry/log.ts'
import { episodePrefix } from '../artefacts.ts'
import type { NotesCache, Objects } from '../storage.ts'
import type { DeletionStore } from '../stores.ts'
import { afterLook } from './deletion.ts'
import type { Deletion } from './deletion.ts'
import { removeKept } from './remove-files.ts'

const LANES = 8

type LateTools = {
  readonly deletions: DeletionStore
  readonly objects: Objects
  readonly notesCache: NotesCache
  readonly now: () => number
}

/**
 * Removes what has arrived for episodes after they were removed: an upload that had begun before, what a frozen worker
 * stored when it woke. Each deletion is looked after on its own; one that fails is still due.
 */
export async function removeLateArrivals(tools: LateTools, signal: AbortSignal): Promise<void> {
  await inLanes(LANES, await tools.deletions.due(tools.now()), async (deletion) => {
    if (signal.aborted) return
    try {
      await lookAfter(tools, deletion)
    } catch (error) {
      log('WARNING', 'deletion.look_failed', { episodeId: deletion.episodeId, error: errorFields(error) })
    }
  })
}

async function lookAfter({ deletions, objects, notesCache, now }: LateTools, deletion: Deletion): Promise<void> {
  const { episodeId } = deletion
  const kept = await removeKept({ objects, notesCache }, deletion)
  const found = kept + (await objects.removeAll(episodePrefix(episodeId)))
  if (found > 0) log('WARNING', 'deletion.arrived_late', { episodeId, found })
  await deletions.save(afterLook(deletion, found, now()))
}
