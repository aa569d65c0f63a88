import { cancel } from '../../engine/transitions/owner.ts'
import type { Operation } from '../../http/operation.ts'
import type { Episode } from '../episode.ts'
import { PIPELINE } from '../pipeline.ts'
import type { OwnerTools } from './access.ts'
import { changeEpisode } from './change.ts'

/** Stops processing; again when it is cancelled already: nothing new. */
export async function cancelEpisode(
  tools: OwnerTools,
  userId: string,
  episodeId: string,
  operation: Operation,
): Promise<Episode> {
  return changeEpisode(tools, {
    userId,
    episodeId,
    operation,
    allowed: ['processing', 'cancelled'],
    transition: (episode, nowMs) =>
      episode.status === 'cancelled' ? { next: episode, tasks: [] } : cancel(PIPELINE, episode, {}, nowMs),
  })
}
