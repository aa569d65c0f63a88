import { enqueueAll } from '../../engine/enqueue.ts'
import type { StepTask } from '../../engine/task.ts'
import { outstandingTasks } from '../../engine/transitions/moved.ts'
import type { Moved } from '../../engine/transitions/moved.ts'
import type { Operation } from '../../http/operation.ts'
import type { ReservationRequest } from '../../quotas/usage.ts'
import type { Episode, EpisodeStatus } from '../episode.ts'
import { EpisodeNotFound } from '../errors.ts'
import type { EpisodeChange } from '../stores.ts'
import { requireOwned, requireStatus } from './access.ts'
import type { Owner, OwnerTools } from './access.ts'

/* How an owner's request takes effect exactly once, and what follows from it is enqueued. */

export const BY_OWNER = { by: 'owner' }

/** How many operations an episode remembers. */
const REMEMBERED_OPERATIONS = 16
/** A reservation for an episode at work outlives the write that begins it, and no more. */
const BEGINNING_MS = 60_000

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
}

type Decided = EpisodeChange & { readonly seen: Episode; readonly tasks: readonly StepTask[] }

/** Changes an owned episode, and enqueues what follows. @throws EpisodeNotFound, WrongStatus */
export async function changeEpisode(tools: OwnerTools, change: OwnerChange): Promise<Episode> {
  const { userId, episodeId, operation, allowed, transition, reservations } = change
  const landed = await tools.episodes.move(episodeId, (stored, nowMs): Decided => {
    const episode = requireOwned(stored, userId)
    if (hasTakenEffect(episode, operation)) {
      const tasks = outstandingTasks(episode, episode.generation)
      return { seen: episode, tasks }
    }
    const moved = transition(requireStatus(episode, allowed), nowMs)
    if (moved.next === episode) return { seen: episode, tasks: moved.tasks }
    const next = { ...rememberOperation(moved.next, operation), updatedAtMs: nowMs }
    return { seen: episode, tasks: moved.tasks, next, cause: BY_OWNER, ...(reservations && { reservations }) }
  })
  if (landed === undefined) throw new EpisodeNotFound()
  await enqueueAll(tools.queue, episodeId, landed.tasks)
  return landed.next ?? landed.seen
}

/** Reserves what is asked for while it is put to use; it is given back when that comes to nothing. */
async function withReservation(
  { usage }: Pick<OwnerTools, 'usage'>,
  { userId, limits }: Owner,
  request: ReservationRequest,
  use: () => Promise<Episode>,
): Promise<Episode> {
  await usage.reserve(userId, request, limits)
  try {
    return await use()
  } catch (error) {
    await usage.release(userId, request.id).catch(() => undefined)
    throw error
  }
}

/**
 * Reserves one more episode at work while what makes it one is written.
 * @param seconds of its recording
 */
export async function withPlaceAtWork(
  tools: OwnerTools,
  owner: Owner,
  { episodeId, seconds }: { readonly episodeId: string; readonly seconds: number },
  begin: (reservations: string[]) => Promise<Episode>,
): Promise<Episode> {
  const request = { id: `begin-${episodeId}`, episodes: 1, seconds, lastsMs: BEGINNING_MS }
  return withReservation(tools, owner, request, () => begin([request.id]))
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
