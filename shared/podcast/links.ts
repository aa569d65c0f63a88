import { createHash } from 'node:crypto'

import * as z from 'zod'

import type { outputKeys } from './artefacts.ts'
import type { Objects } from './storage.ts'
import { fileNameOf } from './words/text.ts'

/* Signed links to what a ready episode consists of: signed once, and kept with the result that they lead to. */

/** Whoever is given links can use them for at least so long. */
const PROMISED_SECONDS = 3600
/** Links are kept for the first half of their life. */
const LIFE_SECONDS = 2 * PROMISED_SECONDS

const urls = { audioUrl: z.string(), transcriptUrl: z.string(), vttUrl: z.string(), srtUrl: z.string() }
export type OutputUrls = z.infer<z.ZodObject<typeof urls>>

/** Links as a document keeps them. Nothing is decided by them: those that cannot be read are none. */
export const KeptLinks = z.looseObject({
  /** Fits these links and what they were made for, and nothing else: neither other files nor damage. */
  seal: z.string(),
  /** Until then storage takes them. */
  untilMs: z.number(),
  urls: z.looseObject(urls),
})
export type KeptLinks = z.infer<typeof KeptLinks>

/** What links lead to: the files of a result, and the title that they are downloaded under. */
export type Linked = { readonly keys: Readonly<ReturnType<typeof outputKeys>>; readonly title: string }

type File = { readonly key: string; readonly downloadName: string }
type Files = Readonly<Record<keyof OutputUrls, File>>
type Links = { readonly untilMs: number; readonly urls: OutputUrls }

/**
 * @param bucket of `Objects`
 * @param atMs now, in the store's time
 * @returns kept links that lead to just this and have at least half of their life left
 */
export function reuseLinks(
  kept: KeptLinks | undefined,
  linked: Linked,
  bucket: string,
  atMs: number,
): OutputUrls | undefined {
  if (kept === undefined || !isYoung(kept, atMs)) return undefined
  return kept.seal === sealOf(kept, bucket, filesOf(linked)) ? pick(kept.urls) : undefined
}

/**
 * Links that are good for two hours from now on, by the clock of the store and of storage, whatever this machine's says.
 * @param atMs now, in the store's time
 */
export async function signLinks(
  objects: Pick<Objects, 'bucket' | 'signedRead'>,
  linked: Linked,
  atMs: number,
): Promise<KeptLinks & { urls: OutputUrls }> {
  const files = filesOf(linked)
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
  return { ...links, seal: sealOf(links, objects.bucket, files) }
}

function filesOf({ keys, title }: Linked): Files {
  return {
    audioUrl: { key: keys.audioKey, downloadName: fileNameOf(title, 'mp3') },
    transcriptUrl: { key: keys.transcriptKey, downloadName: fileNameOf(title, 'json') },
    vttUrl: { key: keys.vttKey, downloadName: fileNameOf(title, 'vtt') },
    srtUrl: { key: keys.srtKey, downloadName: fileNameOf(title, 'srt') },
  }
}

function sealOf({ untilMs, urls: all }: Links, bucket: string, files: Files): string {
  const sealed = [untilMs, pick(all), bucket, files]
  return createHash('sha256').update(JSON.stringify(sealed)).digest('base64url')
}

/** Whether half of their life is left. An end that no links of ours can have is damage, or was made by a wrong clock. */
function isYoung({ untilMs }: KeptLinks, atMs: number): boolean {
  const leftMs = untilMs - atMs
  return leftMs >= PROMISED_SECONDS * 1000 && leftMs <= LIFE_SECONDS * 1000
}

/** The links alone, in one order. */
function pick({ audioUrl, transcriptUrl, vttUrl, srtUrl }: OutputUrls): OutputUrls {
  return { audioUrl, transcriptUrl, vttUrl, srtUrl }
}
