import type { QueryDocumentSnapshot, Timestamp } from '@google-cloud/firestore'

import { READING, readingToRemove } from '../podcast/damaged-episode.ts'
import { Episode } from '../podcast/episode.ts'
import { EpisodeUnreadable } from '../podcast/errors.ts'
import { log } from '../telemetry/log.ts'
import { readLeniently } from './read-leniently.ts'
import type { ReadLeniently } from './read-leniently.ts'

/* Episodes as their documents have them, whatever has become of these. */

export const EPISODES = 'episodes'

const ISSUES_MAX = 5
const LEFT_OUT_TOLD_MAX = 20

/** An episode as it was at one update time, with the ids of the writes that led there. */
export type Version = { episode: Episode; writes: readonly string[]; updateTime: Timestamp }

export type ParseEpisode = (id: string, stored: Record<string, unknown>) => Episode

/** @throws EpisodeUnreadable */
export function parseEpisode(id: string, stored: Record<string, unknown>): Episode {
  const isBeingDeleted = typeof stored['deletedAtMs'] === 'number'
  const read = readLeniently(Episode, stored, isBeingDeleted ? readingToRemove(id, stored) : READING)
  if (read === undefined) {
    const issues = Episode.safeParse(stored).error?.issues.slice(0, ISSUES_MAX)
    log('ERROR', 'episode.unreadable', { episodeId: id, issues })
    throw new EpisodeUnreadable(undefined)
  }
  return withLeftOut(id, read)
}

/** @throws EpisodeUnreadable for what is no document of ours at all */
export function parseToRemove(id: string, stored: Record<string, unknown>): Episode {
  const read = readLeniently(Episode, stored, readingToRemove(id, stored))
  if (read === undefined) throw new EpisodeUnreadable(undefined)
  return withLeftOut(id, read)
}

function withLeftOut(id: string, { value, leftOut }: ReadLeniently<Episode>): Episode {
  if (leftOut.length === 0) return value
  log('ERROR', 'episode.damaged', { episodeId: id, leftOut: leftOut.slice(0, LEFT_OUT_TOLD_MAX) })
  return { ...value, leftOut }
}

/** @throws EpisodeUnreadable */
export function versionOf(
  id: string,
  stored: Record<string, unknown>,
  { updateTime, parse }: { updateTime: Timestamp; parse: ParseEpisode },
): Version {
  const writes = Array.isArray(stored['recentWrites']) ? (stored['recentWrites'] as string[]) : []
  return { episode: parse(id, stored), writes, updateTime }
}

export function readableVersion(document: QueryDocumentSnapshot): Version | undefined {
  try {
    const { id, updateTime } = document
    return versionOf(id, document.data(), { updateTime, parse: parseEpisode })
  } catch {
    return undefined
  }
}

/** One document that cannot be read must not hide the others. */
export function readVisible(document: QueryDocumentSnapshot): Episode[] {
  const episode = readableVersion(document)?.episode
  return episode === undefined || episode.deletedAtMs !== undefined ? [] : [episode]
}
