import { PassThrough } from 'node:stream'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import type { IFormat } from 'music-metadata'

import { Mp3Meter } from './mp3.ts'
import { NotAudioError } from './not-audio.ts'

/** A file without a frame up to here is no mp3. */
const NO_MP3_BYTES = 1024 * 1024

/**
 * Length of a recording in seconds, whatever its format. A file that does not say it is read to its end, and so is every
 * mp3: its frames are counted, because what it says of itself may be that of a part. @throws NotAudioError
 */
export async function durationSeconds(audio: Readable, contentType: string, sizeBytes?: number): Promise<number> {
  const { parseStream } = await import('music-metadata')
  const about = { mimeType: contentType, ...(sizeBytes !== undefined && { size: sizeBytes }) }
  const meter = new Mp3Meter()
  const metered = new PassThrough()
  metered.on('error', () => undefined)
  const reading = pipeline(audio, countFrames(meter), metered).catch(() => undefined)
  try {
    const { format } = await parseStream(metered, about, { duration: true, skipCovers: true })
    if (!isMp3(format)) return requireDuration(format.duration)
    metered.resume()
    await reading
    if (audio.errored) throw audio.errored
    return requireDuration(meter.end().seconds || format.duration)
  } catch (cause) {
    if (audio.errored) throw audio.errored
    throw cause instanceof NotAudioError ? cause : new NotAudioError('not an audio file', { cause })
  } finally {
    metered.destroy()
    audio.destroy()
  }
}

function countFrames(meter: Mp3Meter) {
  return async function* (chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const chunk of chunks) {
      const { frames, bytes } = meter.counted
      if (frames > 0 || bytes < NO_MP3_BYTES || meter.isInTag) meter.write(chunk)
      yield chunk
    }
  }
}

function isMp3({ container = '', codec = '' }: IFormat): boolean {
  return container === 'MPEG' && /layer (3|iii)/i.test(codec)
}

function requireDuration(seconds: number | undefined): number {
  if (seconds === undefined || !(seconds > 0)) throw new NotAudioError('a file without a duration')
  return seconds
}
