import { episodeStore } from '../store/episodes.ts'
import type { EpisodeStore } from '../store/episodes.ts'
import { objectStore } from '../store/objects.ts'
import type { ObjectStore } from '../store/objects.ts'
import { stepQueue } from '../tasks/step-queue.ts'
import type { StepQueue } from '../tasks/step-queue.ts'
import { edgeDependencies } from './edge.ts'
import type { EdgeDependencies } from './edge.ts'

/** What handlers of episodes use of the world, in one argument. */
export type Dependencies = EdgeDependencies & {
  episodes: EpisodeStore
  objects: ObjectStore
  queue: StepQueue
}

let built: Dependencies | undefined

/** Built once for this instance; a build that fails is tried again at the next call. */
export function dependencies(): Dependencies {
  if (built !== undefined) return built
  const edge = edgeDependencies()
  const { config, firestore } = edge
  built = { ...edge, episodes: episodeStore(firestore), objects: objectStore(config), queue: stepQueue(config) }
  return built
}
