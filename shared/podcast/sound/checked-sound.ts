import { Transform } from 'node:stream'
import type { TransformCallback } from 'node:stream'

import { Mp3Meter } from './mp3.ts'
import type { Mp3Length } from './mp3.ts'

/** What is known about a sound before it comes; what is not known is left out. */
export type SoundExpectations = {
  /** Length of what it was made of, in seconds, as we know it. */
  readonly expectedSeconds: number | undefined
  /** What whoever made it says: length in seconds, and size in bytes. */
  readonly saidSeconds: number | undefined
  readonly saidBytes: number | undefined
}

/** Cover art and other tags come before the first frame. */
const BYTES_WITHOUT_SOUND_MAX = 32 * 1024 * 1024
/** The highest bit rate of an mp3 is 320 kbit/s. */
const BYTES_PER_SECOND_MAX = 40_000
const SECONDS_MIN = 0.1
/** Encoders pad, and a recording's own length is often told in whole seconds. */
const SHARE_MIN = 0.95
const SLACK_SECONDS = 1.5
/** What is shorter than expected, as its maker says itself, is believed down to this share. */
const SHORTENED_SHARE_MIN = 0.5
const SAID_SHARE_MIN = 0.98
const GROWTH_MAX = 4
const GROWTH_SLACK_SECONDS = 600

/**
 * Passes an mp3 through and measures it. Ends with an error where it is none, or is not all there, so that nothing of it
 * is kept by whoever stores it.
 */
export class CheckedSound extends Transform {
  readonly #meter = new Mp3Meter()
  readonly #expectations: SoundExpectations
  readonly #errorOf: (message: string, cause?: unknown) => Error
  #length: Mp3Length | undefined

  /** @param errorOf makes the error for what is wrong with it */
  constructor(expectations: SoundExpectations, errorOf: (message: string, cause?: unknown) => Error) {
    super()
    this.#expectations = expectations
    this.#errorOf = errorOf
  }

  /** Undefined until all of it has gone through. */
  get seconds(): number | undefined {
    return this.#length?.seconds
  }

  /** Its source has failed on the way. */
  breakOff(cause: unknown): void {
    this.destroy(this.#errorOf(`the sound broke off after ${this.#meter.counted.bytes} bytes`, cause))
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    this.#meter.write(chunk)
    const { frames, bytes } = this.#meter.counted
    if (frames === 0 && bytes > BYTES_WITHOUT_SOUND_MAX) return callback(this.#errorOf('the sound is no mp3'))
    if (bytes > bytesMax(this.#expectations)) return callback(this.#errorOf(`the sound goes on after ${bytes} bytes`))
    callback(null, chunk)
  }

  override _flush(callback: TransformCallback): void {
    const length = this.#meter.end()
    const flaw = flawOf(length, this.#expectations)
    if (flaw !== undefined) return callback(this.#errorOf(flaw))
    this.#length = length
    callback()
  }
}

/**
 * What makes a sound unfit to be kept; undefined for one of a plausible length.
 *
 * The length that we know decides. What is shorter must be as long as its maker says, and at least half; what is of no
 * known length must be as long as its maker says. The size that its maker says holds in any case.
 */
export function flawOf(
  { seconds, bytes, strayBytes }: Mp3Length,
  { expectedSeconds, saidSeconds, saidBytes }: SoundExpectations,
): string | undefined {
  if (seconds < SECONDS_MIN) return `no sound in ${bytes} bytes`
  if (strayBytes > bytes / 2) return `${strayBytes} of ${bytes} bytes are no sound`
  if (saidBytes !== undefined && bytes < saidBytes * SAID_SHARE_MIN) return `${bytes} bytes of ${saidBytes} came`
  if (isAsLong(seconds, expectedSeconds, SHARE_MIN)) return undefined
  const isAsSaid = isAsLong(seconds, saidSeconds, SAID_SHARE_MIN)
  if (expectedSeconds === undefined && saidSeconds === undefined) return undefined
  if (isAsSaid && (expectedSeconds === undefined || seconds >= expectedSeconds * SHORTENED_SHARE_MIN)) return undefined
  return `${seconds.toFixed(1)} s of sound where ${(expectedSeconds ?? saidSeconds)?.toFixed(1)} s were expected`
}

function isAsLong(seconds: number, wanted: number | undefined, share: number): boolean {
  return wanted !== undefined && seconds >= Math.max(wanted * share - SLACK_SECONDS, wanted * SHORTENED_SHARE_MIN)
}

function bytesMax({ expectedSeconds, saidSeconds }: SoundExpectations): number {
  const seconds = expectedSeconds ?? saidSeconds
  if (seconds === undefined) return Infinity
  return BYTES_WITHOUT_SOUND_MAX + (seconds * GROWTH_MAX + GROWTH_SLACK_SECONDS) * BYTES_PER_SECOND_MAX
}
