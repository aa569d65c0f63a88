import { QuotaExceeded } from '../quotas/refusals.ts'
import { log } from '../telemetry/log.ts'
import type { Episode } from './episode.ts'
import type { Objects } from './storage.ts'
import type { EpisodeStore } from './stores.ts'

/*
 * Strays: objects of an episode that are neither its recording nor its transcript. What somebody brings is a stray from
 * before it is stored until it is taken up, and again from when it is replaced until it is removed. The document tells
 * each of them and what it counts, so that a crash between any two writes leaves nothing in storage that nobody knows of.
 */

export type Stray = NonNullable<Episode['strays']>[number]

/** At a time, of one episode. Each ends by itself, the latest with its link. */
const STRAYS_MAX = 100
const BLOCK_TRIES_MAX = 3
/** As long as a link of the first release, which does not say until when, could bring something. */
const LINK_MS = 7_200_000

/** The episode with one more stray. @throws QuotaExceeded when it has too many */
export function withStray(episode: Episode, stray: Stray, nowMs: number): Episode {
  const { strays = [] } = episode
  if (strays.length >= STRAYS_MAX) {
    const refusal = { quota: 'unfinishedUploads', used: strays.length, limit: STRAYS_MAX, asked: 1 } as const
    throw new QuotaExceeded(refusal, nowMs)
  }
  return { ...episode, strays: [...strays, stray] }
}

/** The episode with what was under a key taken up, or gone. */
export function withoutStray(episode: Episode, key: string): Episode {
  return withStrays(
    episode,
    (episode.strays ?? []).filter((stray) => stray.key !== key),
  )
}

/** Whether what was announced under a key may still be taken up. */
export function mayTakeUp({ strays = [] }: Episode, key: string, nowMs: number): boolean {
  return strays.some((stray) => stray.key === key && stray.ended !== true && stray.untilMs > nowMs)
}

/** The episode without its recording, which is a stray now. @throws QuotaExceeded */
export function replaceRecording(episode: Episode, nowMs: number): Episode {
  const { audio, ...rest } = episode
  if (audio === undefined) return episode
  const { key, sizeBytes, declaredBytes, linkUntilMs } = audio
  const isUnseen = sizeBytes === undefined && declaredBytes !== undefined
  const untilMs = Math.max(nowMs, linkUntilMs ?? (isUnseen ? episode.updatedAtMs + LINK_MS : 0))
  return withStray(rest, { key, bytes: sizeBytes ?? declaredBytes ?? 0, untilMs, ended: true }, nowMs)
}

/** The episode without its transcript by hand, which is a stray now. @throws QuotaExceeded */
export function replaceTranscript(episode: Episode, nowMs: number): Episode {
  const { handTranscript, ...rest } = episode
  if (handTranscript === undefined) return episode
  const { key, sizeBytes = 0 } = handTranscript
  return withStray(rest, { key, bytes: sizeBytes, untilMs: nowMs, ended: true }, nowMs)
}

/** When the sweep must look at an episode that is not being processed: something has arrived by then, or never will. */
export function straysDueAtMs({ strays = [], audio, status }: Episode): number | undefined {
  const isAwaited = status === 'draft' && audio?.sizeBytes === undefined && audio?.linkUntilMs !== undefined
  const times = [...strays.map(({ untilMs }) => untilMs), ...(isAwaited ? [audio.linkUntilMs ?? 0] : [])]
  return times.length === 0 ? undefined : Math.min(...times)
}

/**
 * Takes a key from whoever could store something under it: an empty object lies there, and a link creates only what is
 * not there. What had arrived is removed.
 */
export async function blockKey(objects: Objects, key: string): Promise<void> {
  for (let tries = 0; tries < BLOCK_TRIES_MAX; tries++) {
    const { sizeBytes, generation } = await objects.create(key, '', 'application/octet-stream')
    if (sizeBytes === 0) return
    await objects.remove({ key, generation })
  }
  throw new Error('a link that creates once has created several times')
}

/**
 * Rids an episode of what was replaced. A link that could still bring something under its key is blocked, and counts
 * nothing from then on; the empty object goes when the link has expired. Whatever fails is left to the sweep.
 * @returns the episode as it is afterwards
 */
export async function removeReplaced(
  {
    episodes,
    objects,
    now,
  }: { readonly episodes: EpisodeStore; readonly objects: Objects; readonly now: () => number },
  episode: Episode,
): Promise<Episode> {
  const nowMs = now()
  const replaced = (episode.strays ?? []).filter(
    ({ ended, bytes, untilMs }) => ended && (bytes > 0 || untilMs <= nowMs),
  )
  if (replaced.length === 0) return episode
  try {
    const blocked = new Set<string>()
    for (const { key, untilMs } of replaced) {
      if (untilMs > nowMs) await blockKey(objects, key)
      else await objects.remove({ key })
      if (untilMs > nowMs) blocked.add(key)
    }
    const gone = new Set(replaced.map(({ key }) => key).filter((key) => !blocked.has(key)))
    const landed = await episodes.move(episode.id, (current) => ({ next: settleStrays(current, { gone, blocked }) }))
    return landed?.next ?? episode
  } catch (error) {
    log('WARNING', 'strays.left', { episodeId: episode.id, error: String(error) })
    return episode
  }
}

/** The episode once some strays are gone, and others blocked. */
export function settleStrays(
  episode: Episode,
  { gone, blocked }: { readonly gone: ReadonlySet<string>; readonly blocked?: ReadonlySet<string> },
): Episode {
  const left = (episode.strays ?? []).filter(({ key }) => !gone.has(key))
  return withStrays(
    episode,
    left.map((stray) => (blocked?.has(stray.key) ? { ...stray, bytes: 0 } : stray)),
  )
}

function withStrays({ strays: _before, ...rest }: Episode, strays: Stray[]): Episode {
  return strays.length === 0 ? rest : { ...rest, strays }
}
