import { createHash } from 'node:crypto'

import { errorFields, log } from '../../telemetry/log.ts'
import type { KeptLinks } from '../content.ts'
import type { Episode } from '../episode.ts'
import type { Objects } from '../storage.ts'
import type { Look } from '../stores.ts'
import type { Outputs } from '../view.ts'
import { fileNameOf } from '../words/text.ts'

/** Whoever is given links can use them for at least so long. */
const PROMISED_SECONDS = 3600
/** Links are kept for the first half of their life. */
const LIFE_SECONDS = 2 * PROMISED_SECONDS

type File = { readonly key: string; readonly downloadName: string }
type Files = Readonly<Record<keyof Outputs, File>>
type Links = { readonly untilMs: number; readonly urls: Outputs }

/**
 * Signed links to what a ready episode consists of, good for at least an hour and at most two. Those that are kept are
 * given out again; only when none are, or an hour after that, new ones are signed and kept. All of this goes by the
 * store's clock, whatever this machine's says.
 */
export async function outputLinks(
  { objects }: { readonly objects: Pick<Objects, 'place' | 'signedRead'> },
  look: Look,
): Promise<Outputs | undefined> {
  const { episode, atMs } = look
  const files = filesOf(episode)
  if (files === undefined) return undefined
  const { links: kept } = episode
  const isGood = kept !== undefined && isYoung(kept, atMs) && kept.seal === sealOf(kept, objects.place, files)
  if (isGood) return pick(kept.urls)
  const links = await sign(objects, files, atMs)
  try {
    await look.keepLinks(links)
  } catch (error) {
    log('WARNING', 'links.not_kept', { episodeId: episode.id, error: errorFields(error) })
  }
  return links.urls
}

function filesOf({ status, title, results }: Episode): Files | undefined {
  const { finish } = results
  if (status !== 'ready' || finish === undefined) return undefined
  return {
    audioUrl: { key: finish.audioKey, downloadName: fileNameOf(title, 'mp3') },
    transcriptUrl: { key: finish.transcriptKey, downloadName: fileNameOf(title, 'json') },
    vttUrl: { key: finish.vttKey, downloadName: fileNameOf(title, 'vtt') },
    srtUrl: { key: finish.srtKey, downloadName: fileNameOf(title, 'srt') },
  }
}

function sealOf({ untilMs, urls }: Links, place: string, files: Files): string {
  const sealed = [untilMs, pick(urls), place, files]
  return createHash('sha256').update(JSON.stringify(sealed)).digest('base64url')
}

/** Whether half of their life is left. An end that no links of ours can have is damage. */
function isYoung({ untilMs }: KeptLinks, atMs: number): boolean {
  const leftMs = untilMs - atMs
  return leftMs >= PROMISED_SECONDS * 1000 && leftMs <= LIFE_SECONDS * 1000
}

async function sign(objects: Pick<Objects, 'place' | 'signedRead'>, files: Files, atMs: number): Promise<KeptLinks> {
  // Signatures know whole seconds.
  const fromMs = Math.floor(atMs / 1000) * 1000
  const link = ({ key, downloadName }: File) => objects.signedRead(key, { seconds: LIFE_SECONDS, fromMs, downloadName })
  const [audioUrl, transcriptUrl, vttUrl, srtUrl] = await Promise.all([
    link(files.audioUrl),
    link(files.transcriptUrl),
    link(files.vttUrl),
    link(files.srtUrl),
  ])
  const links = { untilMs: fromMs + LIFE_SECONDS * 1000, urls: { audioUrl, transcriptUrl, vttUrl, srtUrl } }
  return { ...links, seal: sealOf(links, objects.place, files) }
}

/** The links alone, in one order. */
function pick({ audioUrl, transcriptUrl, vttUrl, srtUrl }: Outputs): Outputs {
  return { audioUrl, transcriptUrl, vttUrl, srtUrl }
}
