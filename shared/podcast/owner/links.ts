import type { Episode } from '../episode.ts'
import { fileNameOf } from '../words/text.ts'
import type { Outputs } from '../view.ts'
import type { OwnerTools } from './access.ts'

const DOWNLOAD_SECONDS = 3600

/** Signed links to what a ready episode consists of. */
export async function outputLinks(
  { objects }: Pick<OwnerTools, 'objects'>,
  episode: Episode,
): Promise<Outputs | undefined> {
  const files = episode.results.finish
  if (episode.status !== 'ready' || files === undefined) return undefined
  const link = (key: string, extension: string) =>
    objects.signedRead(key, { seconds: DOWNLOAD_SECONDS, downloadName: fileNameOf(episode.title, extension) })
  const [audioUrl, transcriptUrl, vttUrl, srtUrl] = await Promise.all([
    link(files.audioKey, 'mp3'),
    link(files.transcriptKey, 'json'),
    link(files.vttKey, 'vtt'),
    link(files.srtKey, 'srt'),
  ])
  return { audioUrl, transcriptUrl, vttUrl, srtUrl }
}
