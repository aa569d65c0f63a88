import { dueEpisodes } from '../store/due-episodes.ts'
import type { DueEpisodes } from '../store/due-episodes.ts'
import { sweepRecords } from '../store/sweeps.ts'
import type { SweepRecords } from '../store/sweeps.ts'
import { once } from '../resilience/once.ts'
import { workDependencies } from './work.ts'
import type { WorkDependencies } from './work.ts'

/** What the sweep uses of the world: it also ends what providers still do or keep for an episode. */
export type SweepDependencies = WorkDependencies & { due: DueEpisodes; sweeps: SweepRecords }

/** Built once for this instance. */
export const sweepDependencies = once((): SweepDependencies => {
  const work = workDependencies()
  return { ...work, due: dueEpisodes(work.firestore), sweeps: sweepRecords(work.firestore) }
})
