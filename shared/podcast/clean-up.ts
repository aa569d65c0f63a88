import type { SweepDependencies } from '../../dependencies/sweep.ts'
import { episodePrefix } from '../artefacts.ts'
import { removeFiles } from '../removal.ts'
import type { Episode } from '../schema.ts'
import { forgetJobs, stopJob } from '../workers/withdraw.ts'

const OBJECTS_MAX = 1000

/** Ends a deletion: what providers keep, what storage keeps, and the episode itself last, so that it can be resumed. */
export async function removeEpisode(needs: SweepDependencies, episodeId: string, signal: AbortSignal): Promise<void> {
  const episode = await needs.episodes.read(episodeId)
  if (episode?.deletedAtMs === undefined) return
  await forgetJobs(needs, episode, callFor(needs, episodeId, signal))
  await removeFiles(needs, episode)
  await needs.episodes.remove(episodeId)
}

/**
 * Rids an episode that has ended of what it does not refer to: uploads that were replaced, artefacts of attempts that
 * lost their lease. The recording and every result stay. Objects younger than an orphan may belong to a retry that has
 * begun since.
 */
export async function tidyEpisode(needs: SweepDependencies, episodeId: string, signal: AbortSignal): Promise<void> {
  const episode = await needs.episodes.read(episodeId)
  if (episode === undefined || episode.status === 'processing') return
  await stopJob(needs, episode, callFor(needs, episodeId, signal))
  const oldestMs = needs.now() - needs.config.orphanAgeMs
  if (episode.updatedAtMs > oldestMs) return
  const kept = referredTo(episode)
  const objects = await needs.objects.list(episodePrefix(episodeId), OBJECTS_MAX)
  for (const object of objects)
    if (!kept.has(object.key) && object.createdAtMs <= oldestMs) await needs.objects.remove(object)
  const audio = await arrived(needs, episode)
  const reservations = [episode.audio?.reservation]
  await needs.episodes.move(episodeId, (current) =>
    current.updatedAtMs === episode.updatedAtMs
      ? { episode: { ...current, ...(audio && { audio }), tidiedAtMs: needs.now() }, reservations }
      : {},
  )
}

/** The recording of a draft that was uploaded straight to storage: from here on it counts as what it is. */
async function arrived(needs: SweepDependencies, { status, audio }: Episode): Promise<Episode['audio']> {
  if (status !== 'draft' || audio === undefined || audio.sizeBytes !== undefined) return undefined
  const stored = await needs.objects.stat(audio.key)
  return stored && { ...audio, sizeBytes: stored.sizeBytes }
}

/** Every object that an episode says it consists of. */
function referredTo({ audio, handTranscript, results, upgrade }: Episode): ReadonlySet<string> {
  const ofResults = [results, upgrade?.results ?? {}]
    .flatMap((some) => Object.values(some))
    .flatMap((result) => (typeof result === 'object' && result !== null ? Object.values(result) : []))
  return new Set([audio?.key, handTranscript?.key, ...ofResults].filter((value) => typeof value === 'string'))
}

function callFor(needs: SweepDependencies, episodeId: string, signal: AbortSignal) {
  return { signal, correlationId: episodeId, random: needs.random }
}
