import { extname } from 'node:path'
import type { Readable } from 'node:stream'

import { ChildEnded, ChildNotStarted, inChild } from '../../resilience/in-child.ts'
import { Slots } from '../../resilience/slots.ts'
import { isMp3 } from './container.ts'
import { secondsInHead } from './head-length.ts'
import { Mp3Meter } from './mp3.ts'
import { NotAudioError, NotMeasuredError } from './not-audio.ts'
import { readBeginning } from './read-beginning.ts'

/** What the process is sent that parses a recording; the recording itself comes to its standard input. */
export type DurationTask = { readonly contentType: string; readonly sizeBytes: number | undefined }
export type DurationAnswer = { readonly seconds: number } | { readonly notAudio: string }

/** Compiled, the child's module is a file beside this one's chunk; from source it is its neighbour. */
const CHILD = new URL(`./duration-child${extname(import.meta.url)}`, import.meta.url)
/** An honest recording is parsed within a second; a process that has to start on a busy machine takes a few. */
const TIME_MS_MAX = 20_000
/** Of one process: JavaScript's own objects, and all of it. Six hours of AAC in MP4 take 150 MiB. */
const MEMORY_MIB = { memoryMiB: 64, residentMiB: 192 } as const
/** An instance has 512 MiB; one person's file keeps one of them. */
const children = new Slots(2, { perPersonMax: 1 })

/**
 * Length of a recording in seconds, whatever its format. An mp3 is read to its end: its frames are counted, because what
 * it says of itself may be that of a part. That, and a head that says the length in its first fields, is read here; all
 * else is parsed in a process of its own, in bounded time and memory and by turns of the people, because files of
 * strangers can keep a parser busy for minutes.
 * @param about `userId`: for whom it is measured
 * @param limits `timeMs`: how long parsing may take, 20 s by default; the time that reading `audio` takes is not counted
 * @throws NotAudioError; NotMeasuredError, which is one, when it takes more than it may; the signal's reason
 */
export async function durationSeconds(
  audio: Readable,
  about: { readonly contentType: string; readonly sizeBytes?: number | undefined; readonly userId: string },
  limits: { readonly signal: AbortSignal; readonly timeMs?: number },
): Promise<number> {
  const { signal } = limits
  // Without an error: storage has not failed.
  const stop = () => audio.destroy()
  audio.on('error', () => undefined)
  signal.addEventListener('abort', stop, { once: true })
  try {
    signal.throwIfAborted()
    const { head, tagBytes, bytes } = await readBeginning(audio)
    const sizeBytes = about.sizeBytes === undefined ? undefined : Math.max(0, about.sizeBytes - tagBytes)
    const said = secondsInHead(head, sizeBytes)
    if (said !== undefined) return said
    if (isMp3(head)) return await countSeconds(bytes)
    return await parse(bytes, { ...about, sizeBytes }, limits)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    audio.destroy()
  }
}

async function countSeconds(bytes: AsyncIterable<Buffer>): Promise<number> {
  const meter = new Mp3Meter()
  for await (const chunk of bytes) meter.write(chunk)
  const { seconds } = meter.end()
  if (!(seconds > 0)) throw new NotAudioError('a file without a duration')
  return seconds
}

async function parse(
  bytes: AsyncIterable<Buffer>,
  { userId, contentType, sizeBytes }: DurationTask & { readonly userId: string },
  { signal, timeMs = TIME_MS_MAX }: { readonly signal: AbortSignal; readonly timeMs?: number },
): Promise<number> {
  const leave = await children.take(userId, signal)
  try {
    const task: DurationTask = { contentType, sizeBytes }
    const answer = await inChild<DurationAnswer>(CHILD, task, { timeMs, ...MEMORY_MIB, signal }, bytes)
    if ('notAudio' in answer) throw new NotAudioError(answer.notAudio)
    return answer.seconds
  } catch (error) {
    if (!(error instanceof ChildEnded) || error instanceof ChildNotStarted) throw error
    throw new NotMeasuredError('its length cannot be measured in the time and the memory it may take', { cause: error })
  } finally {
    leave()
  }
}
