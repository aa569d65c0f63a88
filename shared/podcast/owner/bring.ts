import type { Episode, EpisodeStatus } from '../episode.ts'
import { EpisodeNotFound, SourceFailed, UploadEnded } from '../errors.ts'
import type { ObjectStat } from '../storage.ts'
import { mayTakeUp, removeReplaced, settleStrays, withoutStray, withStray } from '../strays.ts'
import { requireOwned, requireStatus } from './access.ts'
import type { Owner, OwnerTools } from './access.ts'
import { BY_OWNER } from './change.ts'

/* How what an owner brings gets into storage, and counts from before it is there. */

/** Longer than any function that stores something may run. */
const STORING_MS = 600_000

export type Brought = {
  readonly episodeId: string
  /** Under which it is stored; never used before. */
  readonly key: string
  /** It is no larger. */
  readonly bytesMax: number
  /** In which states of the episode it is taken. */
  readonly allowed: readonly EpisodeStatus[]
  /** Refuses, by throwing, what the episode cannot take. */
  readonly check?: (episode: Episode) => void
  readonly store: () => Promise<ObjectStat>
  /** Makes it part of the episode by a change for which `requireAnnounced` was asked. */
  readonly takeUp: (stored: ObjectStat) => Promise<Episode>
}

/**
 * Announces an object in the episode, which counts it; stores it; and takes it up, which removes what it replaces. A
 * request that dies on the way leaves an announcement, and the sweep removes what it is about.
 * @throws QuotaExceeded, EpisodeNotFound, WrongStatus, before anything is stored; what `takeUp` throws, after what was
 * stored is removed
 */
export async function bringObject(tools: OwnerTools, owner: Owner, brought: Brought): Promise<Episode> {
  const { episodeId, key, bytesMax, store, takeUp } = brought
  await announce(tools, owner, brought)
  let stored: ObjectStat | undefined
  try {
    stored = await store()
    return await removeReplaced(tools, await takeUp(stored))
  } catch (error) {
    // Where nobody knows whether it is stored, or still on its way, it counts until the sweep has looked.
    if (stored !== undefined || error instanceof SourceFailed)
      await takeBack(tools, episodeId, { key, bytes: stored?.sizeBytes ?? bytesMax }).catch(() => undefined)
    throw error
  }
}

async function announce(tools: OwnerTools, { userId, limits }: Owner, brought: Brought): Promise<void> {
  const { episodeId, key, bytesMax, allowed, check } = brought
  const announced = await tools.episodes.move(episodeId, (current, nowMs) => {
    const episode = requireStatus(requireOwned(current, userId), allowed)
    check?.(episode)
    const stray = { key, bytes: bytesMax, untilMs: nowMs + STORING_MS }
    return { next: withStray(episode, stray, nowMs), cause: BY_OWNER, room: limits }
  })
  if (announced === undefined) throw new EpisodeNotFound()
}

/** The episode without the announcement of what it takes up now. @throws UploadEnded when that was given up */
export function takeUpAnnounced(episode: Episode, key: string, nowMs: number): Episode {
  if (!mayTakeUp(episode, key, nowMs)) throw new UploadEnded()
  return withoutStray(episode, key)
}

/**
 * Ends an announcement that came to nothing. First nobody may take it up any more, then it is removed. What the episode
 * has taken up all the same stays.
 */
async function takeBack(
  tools: OwnerTools,
  episodeId: string,
  { key, bytes }: { readonly key: string; readonly bytes: number },
): Promise<void> {
  const end = await tools.episodes.move(episodeId, (episode, nowMs) => {
    const { strays = [], audio, handTranscript } = episode
    const isTakenUp = audio?.key === key || handTranscript?.key === key
    const ended = strays.map((stray) => (stray.key === key ? { ...stray, bytes, untilMs: nowMs, ended: true } : stray))
    const isAnnounced = strays.some((stray) => stray.key === key)
    return { isTakenUp, ...(isAnnounced && { next: { ...episode, strays: ended } }) }
  })
  if (end?.isTakenUp === true) return
  await tools.objects.remove({ key })
  if (end?.next === undefined) return
  await tools.episodes.move(episodeId, (episode) => ({ next: settleStrays(episode, { gone: new Set([key]) }) }))
}
