import type { EngineSettings } from '../engine/limits.ts'
import type { SweepRules } from '../engine/sweep/due.ts'
import { mayHoldFiles } from '../podcast/clean-up.ts'
import type { Episode } from '../podcast/episode.ts'
import { abandonedJobsDueAtMs } from '../podcast/jobs.ts'
import { straysDueAtMs } from '../podcast/strays.ts'
import type { Configuration } from './config.ts'

/** The engine's settings in this product's words. */
export function engineSettings(config: Configuration): EngineSettings {
  return {
    stepLeaseMs: config.stepLeaseMs,
    stalledStepMs: config.stalledStepMs,
    stuckAfterMs: config.stuckEpisodeMs,
    deadlineMs: config.episodeDeadlineMs,
    orphanAgeMs: config.orphanAgeMs,
    fallbackAfterMs: config.fallbackAfterMs,
    upgradeAfterMs: config.upgradeAfterMs,
  }
}

export function sweepRules(config: Configuration): SweepRules {
  return {
    ...engineSettings(config),
    // The sweep is only ever given episodes.
    mayHoldFiles: (workflow) => mayHoldFiles(workflow as Episode),
    tidyAtMs: (workflow) => tidyAtMs(workflow as Episode),
  }
}

function tidyAtMs(episode: Episode): number | undefined {
  const times = [straysDueAtMs(episode), abandonedJobsDueAtMs(episode)].filter((atMs) => atMs !== undefined)
  return times.length === 0 ? undefined : Math.min(...times)
}
