import { freshSteps } from '../../engine/transitions/moved.ts'
import type { Operation } from '../../http/operation.ts'
import type { Options } from '../options.ts'
import { SCHEMA_VERSION } from '../episode.ts'
import type { Episode } from '../episode.ts'
import { PIPELINE } from '../pipeline.ts'
import { readOwned } from './access.ts'
import type { Owner, OwnerTools } from './access.ts'

/** Creates a draft whose id is the operation's. @throws QuotaExceeded when its owner has too many */
export async function createEpisode(
  tools: OwnerTools,
  { userId, limits }: Owner,
  operation: Operation,
  request: { title: string; language: string; options: Options },
): Promise<Episode> {
  const nowMs = tools.now()
  const episode: Episode = {
    ...request,
    schemaVersion: SCHEMA_VERSION,
    id: operation.id,
    userId,
    isCounted: true,
    status: 'draft',
    generation: 0,
    steps: freshSteps(PIPELINE) as Episode['steps'],
    results: {},
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
  }
  if (await tools.episodes.create(episode, limits)) return episode
  // An earlier try has created it; what has become of it since is its answer.
  return readOwned(tools, userId, episode.id)
}
