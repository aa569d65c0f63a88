import { JOB_PORTS } from '../podcast/ports.ts'
import { dueEpisodes } from '../store/due-episodes.ts'
import type { DueEpisodes } from '../store/due-episodes.ts'
import { sweepRecords } from '../store/sweeps.ts'
import type { SweepRecords } from '../store/sweeps.ts'
import { loadWorkDependencies } from './work.ts'
import type { WorkDependencies } from './work.ts'

/** What the sweep uses of the world: it also ends what providers still do or keep for an episode. */
export type SweepDependencies = WorkDependencies & { due: DueEpisodes; sweeps: SweepRecords }

/** Loads what this instance sweeps with, once. */
export async function loadSweepDependencies(): Promise<SweepDependencies> {
  const work = await loadWorkDependencies(JOB_PORTS)
  return { ...work, due: dueEpisodes(work.firestore), sweeps: sweepRecords(work.firestore) }
}
