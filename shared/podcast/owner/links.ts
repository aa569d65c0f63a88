import { errorFields, log } from '../../telemetry/log.ts'
import { reuseLinks, signLinks } from '../links.ts'
import type { OutputUrls } from '../links.ts'
import type { Objects } from '../storage.ts'
import type { Look } from '../stores.ts'

/**
 * Signed links to what a ready episode consists of, good for at least an hour and at most two. Those that are kept with
 * its result are given out again. When an hour of their life is left, or there are none, new ones are signed and kept.
 */
export async function outputLinks(
  { objects }: { readonly objects: Pick<Objects, 'bucket' | 'signedRead'> },
  look: Look,
): Promise<OutputUrls | undefined> {
  const { episode, atMs } = look
  const { finish } = episode.results
  if (episode.status !== 'ready' || finish === undefined) return undefined
  const linked = { keys: finish, title: episode.title }
  const kept = reuseLinks(finish.links, linked, objects.bucket, atMs)
  if (kept !== undefined) return kept
  const links = await signLinks(objects, linked, atMs)
  try {
    await look.keepLinks(links)
  } catch (error) {
    log('WARNING', 'links.not_kept', { episodeId: episode.id, error: errorFields(error) })
  }
  return links.urls
}
