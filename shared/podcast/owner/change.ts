import { enqueueAll } from '../../engine/enqueue.ts'
import type { StepTask } from '../../engine/task.ts'
import { outstandingTasks } from '../../engine/transitions/moved.ts'
import type { Moved } from '../../engine/transitions/moved.ts'
import type { Operation } from '../../http/operation.ts'
import type { Limits } from '../../quotas/plans.ts'
import type { Episode, EpisodeStatus } from '../episode.ts'
import { EpisodeNotFound } from '../errors.ts'
import type { EpisodeChange, Room } from '../stores.ts'
import { requireOwned, requireStatus } from './access.ts'
import type { OwnerTools } from './access.ts'

/* How an owner's request takes effect exactly once, and what follows from it is enqueued. */

export const BY_OWNER = { by: 'owner' }

/** How many operations an episode remembers. */
const REMEMBERED_OPERATIONS = 16

export type OwnerChange = {
  readonly userId: string
  readonly episodeId: string
  /** Takes effect once per operation; undefined: each time. */
  readonly operation?: Operation
  /** In which states it is possible. */
  readonly allowed: readonly EpisodeStatus[]
  readonly transition: (episode: Episode, nowMs: number) => Moved<Episode>
  /** Reservations that are over with it. */
  readonly reservations?: readonly (string | undefined)[]
  /** Limits that its owner's usage must stay within with it. @param seen the episode before */
  readonly room?: (seen: Episode) => Room
}

type Decided = EpisodeChange & { readonly seen: Episode; readonly tasks: readonly StepTask[] }

/** Changes an owned episode, and enqueues what follows. @throws EpisodeNotFound, WrongStatus, QuotaExceeded */
export async function changeEpisode(tools: OwnerTools, change: OwnerChange): Promise<Episode> {
  const { userId, episodeId, operation, allowed, transition, reservations, room } = change
  const landed = await tools.episodes.move(episodeId, (stored, nowMs): Decided => {
    const episode = requireOwned(stored, userId)
    if (hasTakenEffect(episode, operation)) {
      const tasks = outstandingTasks(episode, episode.generation)
      return { seen: episode, tasks }
    }
    const moved = transition(requireStatus(episode, allowed), nowMs)
    if (moved.next === episode) return { seen: episode, tasks: moved.tasks }
    const next = { ...rememberOperation(moved.next, operation), updatedAtMs: nowMs }
    const counted = { ...(reservations && { reservations }), ...(room && { room: room(episode) }) }
    return { seen: episode, tasks: moved.tasks, next, cause: BY_OWNER, ...counted }
  })
  if (landed === undefined) throw new EpisodeNotFound()
  await enqueueAll(tools.queue, episodeId, landed.tasks)
  return landed.next ?? landed.seen
}

/** Room for one more episode at work. What it stores was let in before. */
export function roomAtWork({ activeEpisodes, episodesThisMonth, minutesThisMonth }: Limits): Room {
  return { activeEpisodes, episodesThisMonth, minutesThisMonth }
}

/** Whether the operation has had its effect on this episode. */
export function hasTakenEffect({ recentOperations }: Episode, operation: Operation | undefined): boolean {
  return operation?.keyed === true && recentOperations?.includes(operation.id) === true
}

function rememberOperation(episode: Episode, operation: Operation | undefined): Episode {
  if (operation?.keyed !== true) return episode
  const recentOperations = [...(episode.recentOperations ?? []), operation.id].slice(-REMEMBERED_OPERATIONS)
  return { ...episode, recentOperations }
}
