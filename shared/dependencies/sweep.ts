import { randomUUID } from 'node:crypto'

import { sweep } from '../engine/sweep/sweep.ts'
import type { SweepOptions, SweepReport } from '../engine/sweep/sweep.ts'
import { findOutputs, tidyEpisode } from '../podcast/clean-up.ts'
import type { CleanUpTools } from '../podcast/clean-up.ts'
import { removeLateArrivals } from '../podcast/deletion/late-arrivals.ts'
import { removeEpisode } from '../podcast/deletion/remove-episode.ts'
import type { Episode } from '../podcast/episode.ts'
import { PIPELINE } from '../podcast/pipeline.ts'
import { JOB_PORTS } from '../podcast/ports.ts'
import type { DeletionStore } from '../podcast/stores.ts'
import { deletionStore } from '../store/deletions.ts'
import { sweepRecords } from '../store/sweeps.ts'
import { sweepRules } from './engine-settings.ts'
import { tell } from './engine.ts'
import { loadWorkDependencies } from './work.ts'
import type { WorkDependencies } from './work.ts'

/** What the sweep uses of the world: it also ends what providers still do or keep for an episode. */
export type SweepDependencies = WorkDependencies & { sweepOptions: SweepOptions<Episode>; deletions: DeletionStore }

/** Loads what this instance sweeps with, once. */
export async function loadSweepDependencies(): Promise<SweepDependencies> {
  const work = await loadWorkDependencies(JOB_PORTS)
  const { config, episodes, queue, now, firestore } = work
  const cleanUp: CleanUpTools = { ...work, orphanAgeMs: config.orphanAgeMs }
  const records = sweepRecords(firestore)
  return {
    ...work,
    deletions: deletionStore(firestore),
    sweepOptions: {
      pipeline: PIPELINE,
      store: episodes,
      queue,
      rules: sweepRules(config),
      now,
      newId: randomUUID,
      tell,
      findLastResult: (episode) => findOutputs(cleanUp, episode),
      remove: (id, signal) => removeEpisode(cleanUp, id, signal),
      tidy: (id, signal) => tidyEpisode(cleanUp, id, signal),
      save: (id, report, nowMs) => records.save(id, inWordsOfEpisodes(report), nowMs),
    },
  }
}

/** What `ops-sweep` answers and keeps: the engine's report, in which workflows are episodes. */
export type EpisodesReport = ReturnType<typeof inWordsOfEpisodes<SweepReport>>

function inWordsOfEpisodes<Report extends Pick<SweepReport, 'workflows'>>({ workflows, ...counts }: Report) {
  return { ...counts, episodes: workflows.map(({ workflowId: episodeId, ...entry }) => ({ episodeId, ...entry })) }
}

export async function sweepEpisodes(
  dependencies: Pick<SweepDependencies, 'sweepOptions' | 'deletions' | 'objects' | 'notesCache' | 'now' | 'firestore'>,
  input: { readonly dryRun: boolean },
  signal: AbortSignal,
): Promise<EpisodesReport> {
  // What is due is asked for by the store's clock, which must have been heard by then.
  await dependencies.firestore.time()
  const report = await sweep(dependencies.sweepOptions, input, signal)
  if (!input.dryRun) await removeLateArrivals(dependencies, signal)
  return inWordsOfEpisodes(report)
}
