import { forgetJobs } from '../jobs.ts'
import type { CleanUpTools } from '../clean-up.ts'
import { blockedUntilMs, openKeys } from './blocked.ts'
import { withoutContent } from './without-content.ts'
import { removeFiles } from './remove-files.ts'

/**
 * Goes on with a deletion that was begun: what storage keeps, what providers keep, and the document last, so that it can
 * be resumed. While something that was handed out could still bring anything, its names stay blocked, and the document
 * stays without what the episode was.
 */
export async function removeEpisode(tools: CleanUpTools, episodeId: string, signal: AbortSignal): Promise<void> {
  const episode = await tools.episodes.readToRemove(episodeId)
  if (episode?.deletedAtMs === undefined) return
  const untilMs = blockedUntilMs(episode)
  const isBlocked = untilMs !== undefined && untilMs > tools.now()
  if (!isBlocked || episode.filesRemovedAtMs === undefined)
    await removeFiles(tools, episode, isBlocked ? openKeys(episode) : [])
  await forgetJobs(tools, episode, { signal, correlationId: episodeId, random: tools.random })
  if (!isBlocked) return tools.episodes.remove(episodeId)
  await tools.episodes.moveToRemove(episodeId, (current, nowMs) => ({
    next: { ...withoutContent(current, current.filesRemovedAtMs ?? nowMs), removalDueAtMs: untilMs },
  }))
}
