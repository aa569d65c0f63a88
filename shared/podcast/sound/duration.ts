import type { Readable } from 'node:stream'

import { NotAudioError } from './not-audio.ts'

/** Length of a recording in seconds, whatever its format; a file that does not say it is read to its end. @throws NotAudioError */
export async function durationSeconds(audio: Readable, contentType: string, sizeBytes?: number): Promise<number> {
  const { parseStream } = await import('music-metadata')
  const about = { mimeType: contentType, ...(sizeBytes !== undefined && { size: sizeBytes }) }
  try {
    const { format } = await parseStream(audio, about, { duration: true, skipCovers: true })
    if (format.duration === undefined || !(format.duration > 0)) throw new NotAudioError('a file without a duration')
    return format.duration
  } catch (cause) {
    if (audio.errored) throw audio.errored
    throw new NotAudioError('not an audio file', { cause })
  } finally {
    audio.destroy()
  }
}
