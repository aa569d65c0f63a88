import { PassThrough } from 'node:stream'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import type { IFormat } from 'music-metadata'

import type { DurationAnswer, DurationTask } from './duration.ts'
import { Mp3Meter } from './mp3.ts'

/** A file without a frame up to here is no mp3. */
const NO_MP3_BYTES = 1024 * 1024

/** The process in which a recording is parsed: nobody else waits for it, or goes down with it. */
process.once('message', (task: DurationTask) => {
  measure(process.stdin, task).then(
    (answer) => process.send?.(answer),
    () => process.send?.({ notAudio: 'not an audio file' } satisfies DurationAnswer),
  )
})

/** A file that does not say its length is read to its end, and so is every mp3: its frames are counted. */
async function measure(audio: Readable, { contentType, sizeBytes }: DurationTask): Promise<DurationAnswer> {
  const { parseStream } = await import('music-metadata')
  const about = { mimeType: contentType, ...(sizeBytes !== undefined && { size: sizeBytes }) }
  const meter = new Mp3Meter()
  const metered = new PassThrough()
  metered.on('error', () => undefined)
  const reading = pipeline(audio, countFrames(meter), metered).catch(() => undefined)
  const { format } = await parseStream(metered, about, { duration: true, skipCovers: true })
  let seconds = format.duration
  if (isMp3(format)) {
    metered.resume()
    await reading
    seconds = meter.end().seconds || seconds
  }
  return seconds !== undefined && seconds > 0 ? { seconds } : { notAudio: 'a file without a duration' }
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
