import { remove } from '../../engine/transitions/owner.ts'
import type { Operation } from '../../http/operation.ts'
import type { Episode } from '../episode.ts'
import { EpisodeNotFound } from '../errors.ts'
import { PIPELINE } from '../pipeline.ts'
import { blockedUntilMs, openKeys } from '../deletion/blocked.ts'
import { withoutContent } from '../deletion/without-content.ts'
import { removeFiles } from '../deletion/remove-files.ts'
import type { OwnerTools } from './access.ts'
import { BY_OWNER } from './change.ts'

/**
 * Removes the episode and all it made. Marked first, so that nobody sees it or works on it any more; then its files go,
 * and with them what its document says of its content; then the document: whichever part fails, the same call again goes
 * on from there, and so does the sweep. A damaged document stands in the way of nothing of this. To a resumed operation an
 * episode that is not there was removed by its earlier try; so is, as far as anybody may know, one that is somebody
 * else's.
 */
export async function deleteEpisode(
  tools: OwnerTools,
  userId: string,
  episodeId: string,
  operation: Operation,
): Promise<void> {
  const marked = await tools.episodes.moveToRemove(episodeId, (episode, nowMs) => {
    if (episode.userId !== userId) return { gone: true, known: false, files: undefined }
    const known = isKnownToProviders(episode)
    if (episode.deletedAtMs !== undefined)
      return { gone: episode.filesRemovedAtMs !== undefined, known, files: episode }
    const { next } = remove(PIPELINE, episode, {}, nowMs)
    return { gone: false, known, files: next, next, cause: BY_OWNER }
  })
  if (marked === undefined || marked.gone) {
    if (operation.resumed) return
    throw new EpisodeNotFound()
  }
  if (marked.files === undefined) return
  const blockedMs = blockedUntilMs(marked.files)
  await removeFiles(tools, marked.files, openKeys(marked.files))
  if (!marked.known && blockedMs === undefined) return tools.episodes.remove(episodeId)
  // What providers keep of it is removed by the sweep, which removes the episode after that, and what could still arrive.
  await tools.episodes.moveToRemove(episodeId, (episode, nowMs) => ({
    next: { ...withoutContent(episode, nowMs), ...(!marked.known && { removalDueAtMs: blockedMs }) },
  }))
}

/** Whether a provider keeps a job of it, or may; what could not be read of it may say so too. */
function isKnownToProviders({ jobs = [], steps, upgrade, leftOut = [] }: Episode): boolean {
  if (leftOut.length > 0) return true
  const all = [...Object.values(steps), ...Object.values(upgrade?.steps ?? {})]
  return jobs.length > 0 || all.some(({ job }) => job !== undefined)
}
