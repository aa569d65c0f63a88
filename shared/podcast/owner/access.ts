import type { TaskQueue } from '../../engine/ports.ts'
import type { Limits } from '../../quotas/plans.ts'
import type { UsageStore } from '../../quotas/usage-store.ts'
import type { Episode, EpisodeStatus } from '../episode.ts'
import { EpisodeNotFound, WrongStatus } from '../errors.ts'
import type { NotesCache, Objects } from '../storage.ts'
import type { EpisodeStore, Look } from '../stores.ts'

/* Who may do what to an episode. */

/** What owners' requests use of the world. */
export type OwnerTools = {
  readonly episodes: EpisodeStore
  readonly objects: Objects
  readonly queue: Pick<TaskQueue, 'enqueue'>
  readonly usage: UsageStore
  readonly notesCache: NotesCache
  readonly now: () => number
  readonly config: { readonly orphanAgeMs: number; readonly upgradeAfterMs: number }
}

/** Who asks, and what their plan lets them use. */
export type Owner = { readonly userId: string; readonly limits: Limits }

/** @throws EpisodeNotFound for an episode that is not there, is being deleted, or is somebody else's */
export async function readOwned(
  { episodes }: Pick<OwnerTools, 'episodes'>,
  userId: string,
  episodeId: string,
): Promise<Episode> {
  return requireOwned(await episodes.read(episodeId), userId)
}

/** `readOwned`, for links to what was made of it. @throws EpisodeNotFound */
export async function lookAtOwned(
  { episodes }: Pick<OwnerTools, 'episodes'>,
  userId: string,
  episodeId: string,
): Promise<Look> {
  const look = await episodes.look(episodeId)
  if (look === undefined) throw new EpisodeNotFound()
  requireOwned(look.episode, userId)
  return look
}

/** @throws EpisodeNotFound */
export function requireOwned(episode: Episode | undefined, userId: string): Episode {
  if (episode === undefined || episode.userId !== userId || episode.deletedAtMs !== undefined)
    throw new EpisodeNotFound()
  return episode
}

/** @throws WrongStatus */
export function requireStatus(episode: Episode, allowed: readonly EpisodeStatus[]): Episode {
  if (allowed.includes(episode.status)) return episode
  throw new WrongStatus(episode.status, allowed)
}
