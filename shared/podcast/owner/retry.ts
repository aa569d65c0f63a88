import { start } from '../../engine/transitions/owner.ts'
import type { Operation } from '../../http/operation.ts'
import type { Options } from '../options.ts'
import type { Episode, EpisodeStatus } from '../episode.ts'
import { NeverProcessed, WrongStatus } from '../errors.ts'
import { PIPELINE } from '../pipeline.ts'
import type { StepName } from '../pipeline.ts'
import type { Owner, OwnerTools } from './access.ts'
import { changeEpisode, roomAtWork } from './change.ts'
import { replaceOptions } from './options.ts'

const STOPPED: readonly EpisodeStatus[] = ['error', 'cancelled']

/**
 * Goes on where an episode stopped; finished steps are kept, as long as they fit. One that is ready is made anew in part:
 * only for options that another result follows from than it has, in all but the steps that they do not concern.
 * @param request `from` names a step to be done anew, with all that wait for it, be it finished or not; `options` take
 * the place of all that the episode had, and steps that they concern are done again with what builds on them
 */
export async function retryEpisode(
  tools: OwnerTools,
  owner: Owner,
  request: {
    readonly episodeId: string
    readonly from?: StepName | undefined
    readonly options?: Options | undefined
  },
  operation: Operation,
): Promise<Episode> {
  const { userId, limits } = owner
  const { episodeId, from, options } = request
  const { upgradeAfterMs } = tools.config
  return changeEpisode(tools, {
    userId,
    episodeId,
    operation,
    allowed: options === undefined ? STOPPED : [...STOPPED, 'ready'],
    transition: (current, nowMs) => {
      if (current.audio?.objectGeneration === undefined) throw new NeverProcessed()
      if (options === undefined) return start(PIPELINE, current, { from }, nowMs)
      const { episode: asked, changed } = replaceOptions(current, options, { upgradeAfterMs, nowMs })
      if (current.status !== 'ready') return start(PIPELINE, asked, { from, changed }, nowMs)
      if (changed.length === 0) throw new WrongStatus(current.status, STOPPED)
      return start(PIPELINE, { ...asked, wasReady: true }, { from, changed }, nowMs)
    },
    // What was ready has counted for its month.
    room: ({ status, wasReady }) =>
      status === 'ready' || wasReady === true ? { activeEpisodes: limits.activeEpisodes } : roomAtWork(limits),
  })
}
