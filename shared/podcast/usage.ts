import { monthOf } from '../quotas/usage.ts'
import type { UsageChange } from '../quotas/usage.ts'
import type { Episode } from './episode.ts'

/* What an episode counts as in its owner's usage. */

/** Usual rates: CD in mono, and mp3 for speech. */
const BITS_PER_SECOND = { lossless: 705_600, lossy: 128_000 }

/**
 * What a change of an episode does to its owner's usage: written in the same commit, it is counted exactly once. Only
 * what became ready is counted towards a month, and that once; what it cost at providers is, whatever became of it.
 * @param after undefined: its document is removed
 */
export function usageChange(before: Episode | undefined, after: Episode | undefined): UsageChange | undefined {
  const [was, is] = [countersOf(before), countersOf(after)]
  const difference = {
    storageBytes: is.storageBytes - was.storageBytes,
    drafts: is.drafts - was.drafts,
    activeEpisodes: is.activeEpisodes - was.activeEpisodes,
    activeSeconds: is.activeSeconds - was.activeSeconds,
  }
  const month = after && monthChange(before, after)
  const changed = Object.entries(difference).filter(([, amount]) => amount !== 0)
  if (changed.length === 0 && month === undefined) return undefined
  return { ...Object.fromEntries(changed), ...(month && { month }) }
}

function monthChange(before: Episode | undefined, after: Episode): UsageChange['month'] {
  const becameReady =
    after.status === 'ready' && before !== undefined && before.status !== 'ready' && after.wasReady !== true
  const costs = costsBetween(before, after)
  if (!becameReady && costs === undefined) return undefined
  return {
    name: monthOf(after.updatedAtMs),
    ...(becameReady && { episodes: 1, seconds: recordedSeconds(after) }),
    ...(costs && { costs }),
  }
}

type Counters = Required<Omit<UsageChange, 'month'>>
const NOTHING: Counters = { storageBytes: 0, drafts: 0, activeEpisodes: 0, activeSeconds: 0 }

function countersOf(episode: Episode | undefined): Counters {
  if (episode === undefined) return NOTHING
  const { deletedAtMs, filesRemovedAtMs, isCounted = false, status } = episode
  if (deletedAtMs !== undefined && (!isCounted || filesRemovedAtMs !== undefined)) return NOTHING
  const active = status === 'processing' && deletedAtMs === undefined
  return {
    storageBytes: broughtBytes(episode),
    drafts: isCounted && status === 'draft' ? 1 : 0,
    activeEpisodes: active ? 1 : 0,
    activeSeconds: active ? recordedSeconds(episode) : 0,
  }
}

/** What its owner has brought to an episode and is there, or may be. */
function broughtBytes({ audio, handTranscript, strays = [] }: Episode): number {
  return strays.reduce((sum, { bytes }) => sum + bytes, recordingBytes(audio) + (handTranscript?.sizeBytes ?? 0))
}

/** What a recording counts as: its size, and before that is known what was announced, unless a reservation holds it. */
function recordingBytes(audio: Episode['audio']): number {
  const announced = audio?.reservation === undefined ? audio?.declaredBytes : undefined
  return audio?.sizeBytes ?? announced ?? 0
}

/** The length of a recording in whole seconds: measured once it is transcribed, until then judged by its size. */
export function recordedSeconds({ audio, results }: Pick<Episode, 'audio' | 'results'>): number {
  const measured = results.transcribe?.durationSeconds
  if (measured !== undefined) return Math.round(measured)
  const lossless = /wav|flac|aiff|l16|pcm/i.test(audio?.contentType ?? '')
  return Math.ceil(((audio?.sizeBytes ?? 0) * 8) / (lossless ? BITS_PER_SECOND.lossless : BITS_PER_SECOND.lossy))
}

function costsBetween(before: Episode | undefined, after: Episode): NonNullable<Episode['costs']> | undefined {
  const entries = Object.entries(after.costs ?? {}).flatMap(([provider, units]) => {
    const former = before?.costs?.[provider] ?? {}
    const more = Object.entries(units)
      .map(([unit, amount]) => [unit, amount - (former[unit] ?? 0)] as const)
      .filter(([, amount]) => amount !== 0)
    return more.length === 0 ? [] : [[provider, Object.fromEntries(more)] as const]
  })
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}
