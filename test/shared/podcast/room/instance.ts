import { randomBytes } from 'node:crypto'

import { sweepRules } from '../../../../shared/dependencies/engine-settings.ts'
import { sweep } from '../../../../shared/engine/sweep/sweep.ts'
import type { SweepOptions, SweepReport } from '../../../../shared/engine/sweep/sweep.ts'
import { tidyEpisode } from '../../../../shared/podcast/clean-up.ts'
import { removeEpisode } from '../../../../shared/podcast/deletion/remove-episode.ts'
import type { Episode } from '../../../../shared/podcast/episode.ts'
import type { OwnerTools } from '../../../../shared/podcast/owner/access.ts'
import { PIPELINE } from '../../../../shared/podcast/pipeline.ts'
import type { Objects } from '../../../../shared/podcast/storage.ts'
import { episodeStore } from '../../../../shared/store/episodes.ts'
import type { FirestoreAccess } from '../../../../shared/store/firestore.ts'
import { notesCache } from '../../../../shared/store/notes-cache.ts'
import { usageStore } from '../../../../shared/store/usage.ts'
import { testConfig } from '../../test-config.ts'

const ORPHAN_AGE_MS = 24 * 3_600_000
const CONFIG = testConfig()

/** What one instance works with. */
export function ownerTools(
  { access, objects }: { readonly access: FirestoreAccess; readonly objects: Objects },
  now: () => number,
): OwnerTools {
  return {
    episodes: episodeStore(access, sweepRules(CONFIG), now),
    objects,
    queue: { enqueue: async () => undefined },
    usage: usageStore(access),
    notesCache: notesCache(access, now),
    now,
    config: CONFIG,
  }
}

/** One sweep by an instance; no provider is configured. */
export function sweepOnce(tools: OwnerTools): Promise<SweepReport> {
  return sweep<Episode>(sweepOptions(tools), { dryRun: false }, new AbortController().signal)
}

/** What it sweeps with. */
export function sweepOptions(tools: OwnerTools): SweepOptions<Episode> {
  const { episodes, queue, now } = tools
  const cleanUp = { ...tools, transcribers: [], masterings: [], random: Math.random, orphanAgeMs: ORPHAN_AGE_MS }
  return {
    pipeline: PIPELINE,
    store: episodes,
    queue: { ...queue, find: async () => ({ kind: 'gone' }) },
    rules: sweepRules(CONFIG),
    now,
    newId: () => randomBytes(8).toString('hex'),
    tell: () => undefined,
    findLastResult: async () => undefined,
    remove: (id, signal) => removeEpisode(cleanUp, id, signal),
    tidy: (id, signal) => tidyEpisode(cleanUp, id, signal),
    save: async () => undefined,
  }
}
