import { start } from '../../engine/transitions/owner.ts'
import type { Operation } from '../../http/operation.ts'
import type { Episode } from '../episode.ts'
import { NeverProcessed } from '../errors.ts'
import { PIPELINE } from '../pipeline.ts'
import type { StepName } from '../pipeline.ts'
import { recordedSeconds } from '../usage.ts'
import { readOwned, requireStatus } from './access.ts'
import type { Owner, OwnerTools } from './access.ts'
import { changeEpisode, hasTakenEffect, withPlaceAtWork } from './change.ts'

/**
 * Goes on where an episode stopped; finished steps are kept.
 * @param request `from` names a finished step to be done again, with all that wait for it
 */
export async function retryEpisode(
  tools: OwnerTools,
  owner: Owner,
  request: { readonly episodeId: string; readonly from?: StepName | undefined },
  operation: Operation,
): Promise<Episode> {
  const { userId } = owner
  const { episodeId, from } = request
  const allowed = ['error', 'cancelled'] as const
  const episode = await readOwned(tools, userId, episodeId)
  const retry = (reservations: string[]) =>
    changeEpisode(tools, {
      userId,
      episodeId,
      operation,
      allowed,
      transition: (current, nowMs) => {
        if (current.audio?.objectGeneration === undefined) throw new NeverProcessed()
        return start(PIPELINE, current, { from }, nowMs)
      },
      reservations,
    })
  // What is done already needs no room.
  if (hasTakenEffect(episode, operation)) return retry([])
  requireStatus(episode, allowed)
  return withPlaceAtWork(tools, owner, { episodeId, seconds: recordedSeconds(episode) }, retry)
}
