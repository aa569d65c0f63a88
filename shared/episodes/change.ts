import type { Dependencies } from '../dependencies/dependencies.ts'
import type { Operation } from '../http/operation.ts'
import type { Limits } from '../quotas/plans.ts'
import type { ReservationRequest } from '../quotas/usage.ts'
import { EpisodeNotFound, WrongStatus } from './errors.ts'
import { outstandingOrders } from './machine.ts'
import type { Moved } from './moves.ts'
import type { Episode, EpisodeStatus } from './schema.ts'
import type { StepOrder } from './steps.ts'

/* How what an owner asks for is let in, takes effect once, and is followed up. */

/** What that takes of the world. */
export type Needs = Pick<Dependencies, 'episodes' | 'objects' | 'queue' | 'usage' | 'notesCache' | 'now' | 'config'>
/** Who asks, and what their plan lets them use. */
export type Owner = { readonly userId: string; readonly limits: Limits }

export const OWNER = { by: 'owner' }

/** How many operations an episode remembers. */
const REMEMBERED_OPERATIONS = 16

/** @throws EpisodeNotFound for an episode that is not there, is being deleted, or is somebody else's */
export async function readOwned(needs: Pick<Needs, 'episodes'>, userId: string, episodeId: string): Promise<Episode> {
  return owned(await needs.episodes.read(episodeId), userId)
}

/** Reserves what is asked for while it is put to use; it is given back when that comes to nothing. */
export async function withReservation(
  { usage }: Pick<Needs, 'usage'>,
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

/** Stored first, enqueued second: whatever falls between is outstanding, and enqueuing it again changes nothing. */
export async function enqueueAll(
  needs: Pick<Needs, 'queue'>,
  episodeId: string,
  orders: readonly StepOrder[],
): Promise<void> {
  await Promise.all(orders.map((order) => needs.queue.enqueue(episodeId, order)))
}

export async function change(
  needs: Needs,
  userId: string,
  episodeId: string,
  allowed: readonly EpisodeStatus[],
  transition: (episode: Episode) => Episode,
  reservation?: string,
): Promise<Episode> {
  const moved = (episode: Episode): Moved => ({ episode: transition(episode), orders: [] })
  return changeAndEnqueue(needs, userId, episodeId, undefined, allowed, moved, [reservation])
}

/** Moves an owned episode that is in one of the allowed states, once per operation, and enqueues what follows. */
export async function changeAndEnqueue(
  needs: Needs,
  userId: string,
  episodeId: string,
  operation: Operation | undefined,
  allowed: readonly EpisodeStatus[],
  transition: (episode: Episode) => Moved,
  reservations: readonly (string | undefined)[] = [],
): Promise<Episode> {
  const moved = await needs.episodes.move(episodeId, (stored) => {
    const episode = owned(stored, userId)
    if (hasHad(episode, operation))
      return { result: { episode, orders: outstandingOrders(episode, episode.generation) } }
    const after = transition(requireStatus(episode, allowed))
    const changed = { ...remembering(after.episode, operation), updatedAtMs: needs.now() }
    return after.episode === episode
      ? { result: after }
      : { episode: changed, cause: OWNER, reservations, result: after }
  })
  if (moved === undefined) throw new EpisodeNotFound()
  await enqueueAll(needs, episodeId, moved.result.orders)
  return moved.episode ?? moved.result.episode
}

/** Whether the operation has had its effect on this episode. */
export function hasHad({ recentOperations }: Episode, operation: Operation | undefined): boolean {
  return operation?.keyed === true && recentOperations?.includes(operation.id) === true
}

function remembering(episode: Episode, operation: Operation | undefined): Episode {
  if (operation?.keyed !== true) return episode
  const recentOperations = [...(episode.recentOperations ?? []), operation.id].slice(-REMEMBERED_OPERATIONS)
  return { ...episode, recentOperations }
}

function owned(episode: Episode | undefined, userId: string): Episode {
  if (episode === undefined || episode.userId !== userId || episode.deletedAtMs !== undefined)
    throw new EpisodeNotFound()
  return episode
}

export function requireStatus(episode: Episode, allowed: readonly EpisodeStatus[]): Episode {
  if (allowed.includes(episode.status)) return episode
  throw new WrongStatus(episode.status, allowed)
}
