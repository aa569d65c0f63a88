import { episodeStore } from '../store/episodes.ts'
import type { EpisodeStore } from '../podcast/stores.ts'
import { notesCache } from '../store/notes-cache.ts'
import type { NotesCache, Objects } from '../podcast/storage.ts'
import { usageStore } from '../store/usage.ts'
import type { UsageStore } from '../quotas/usage-store.ts'
import { objectStore } from '../store/objects.ts'
import { stepQueue } from '../tasks/step-queue.ts'
import type { StepQueue } from '../tasks/step-queue.ts'
import type { Languages } from '../podcast/ports.ts'
import { sharedBreakers } from './breakers.ts'
import type { SharedBreakers } from './breakers.ts'
import { edgeDependencies } from './edge.ts'
import type { EdgeDependencies } from './edge.ts'
import { sweepRules } from './engine-settings.ts'
import { languagesOf } from './providers.ts'
import { once } from '../resilience/once.ts'

/** What handlers of episodes use of the world, in one argument. */
export type Dependencies = EdgeDependencies & {
  episodes: EpisodeStore
  objects: Objects
  queue: StepQueue
  usage: UsageStore
  notesCache: NotesCache
  /** What can be transcribed. */
  languages: Languages
  breakers: SharedBreakers
}

/** Built once for this instance. */
export const dependencies = once((): Dependencies => {
  const edge = edgeDependencies()
  const { config, firestore } = edge
  const breakers = sharedBreakers(config, firestore)
  const objects = objectStore(config, breakers.gcs, { time: firestore.time })
  return {
    ...edge,
    breakers,
    episodes: episodeStore(firestore, sweepRules(config), edge.now),
    objects,
    queue: stepQueue(config),
    usage: usageStore(firestore),
    notesCache: notesCache(firestore, edge.now),
    languages: languagesOf(config),
  }
})
