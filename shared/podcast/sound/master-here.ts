import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import type { Attempt } from '../../engine/attempt.ts'
import { FallbackBusy, NoFallback } from '../../engine/failure.ts'
import { Slots } from '../../resilience/slots.ts'
import type { Tools } from '../tools.ts'
import { durationSeconds } from './duration.ts'
import { ffmpegProgram } from './ffmpeg.ts'
import type { FfmpegOptions } from './ffmpeg.ts'
import { masterLoudness, prependIntro } from './loudness.ts'
import { NotAudioError } from './not-audio.ts'
import { LENGTH_SLACK_SECONDS, secondsPackedMax } from './plausible-length.ts'

/** Files of a function are in its memory: recording, result and ffmpeg share 2 GiB. */
const RECORDING_BYTES_MAX = 1024 ** 3
/** Within the function's 540 s, with time to fetch, to store and to say how it ended. */
const TIME_MS_MAX = 420_000
/** A program that starts, and a machine with other work, take this however short the recording is. */
const WORK_MS_MIN = 60_000
/**
 * A megabyte of speech lasts 1,333 s at 6 kbit/s, which is little even for Opus and AMR. In WebAssembly, ffmpeg masters
 * 27 s of it in a second of one core (measured, with its start); a busy core may need a whole second for ten.
 */
const WORK_MS_PER_MB = 135_000
/** What comes out may be longer than the recording is said to be: by the intro, and by what a player counts otherwise. */
const LENGTH_SHARE_MAX = 1.5
const LINE_MS_MIN = 60_000
/**
 * One is mastered, and the next waits: the other of the two tasks that an instance takes at a time. By turns of their
 * owners; who is sent away comes back with the next attempt, and keeps no worker waiting until then.
 */
const oneAtATime = new Slots(1, { lineMax: 1 })

const OUTPUT = 'mastered.mp3'

/** What is to be mastered, and under which name the result is stored. */
export type HereSources = {
  /** Whose it is. */
  readonly userId: string
  readonly recordingKey: string
  readonly recordingBytes: number
  /** As the transcription measured it; undefined where it could not. */
  readonly recordingSeconds: number | undefined
  readonly introKey: string | undefined
  readonly audioKey: string
  readonly targetLufs: number
}

export type MasteredHere = { audioKey: string; durationSeconds: number; introSeconds: number }

type HereAttempt = Pick<Attempt, 'signal' | 'tell'> & { readonly call?: Pick<Attempt['call'], 'progress'> }
type HereTools = Pick<Tools, 'objects' | 'ffmpegPath'>

/**
 * Recording and intro to one mp3 of even loudness (EBU R128, two passes), made in this function: no noise reduction and
 * no leveller, which are the provider's own. @throws NoFallback, FallbackBusy
 */
export async function masterHere(attempt: HereAttempt, tools: HereTools, sources: HereSources): Promise<MasteredHere> {
  const { recordingKey, recordingBytes, recordingSeconds, introKey, targetLufs } = sources
  if (recordingBytes > RECORDING_BYTES_MAX) throw new NoFallback('the recording is too large to be mastered here')
  const keys = [...(introKey === undefined ? [] : [introKey]), recordingKey]
  const secondsMax = secondsOfSound(recordingBytes, recordingSeconds)
  return make(attempt, tools, sources, {
    keys,
    work: (folder, inputs, options) =>
      masterLoudness(folder, { inputs, output: OUTPUT, targetLufs, secondsMax }, options),
    introSeconds: async (measure, [intro = '']) => (introKey === undefined ? 0 : measure(intro)),
  })
}

/** Puts an intro before what is mastered already. @throws NoFallback, FallbackBusy */
export async function addIntro(
  attempt: HereAttempt,
  tools: HereTools,
  sources: HereSources & { readonly masteredKey: string },
): Promise<MasteredHere> {
  const { introKey, masteredKey, targetLufs } = sources
  if (introKey === undefined) throw new Error('nothing is spoken')
  return make(attempt, tools, sources, {
    keys: [introKey, masteredKey],
    work: (folder, [intro = '', mastered = ''], options) =>
      prependIntro(folder, { intro, mastered, output: OUTPUT, targetLufs }, options),
    // Joined frame by frame: what the encoder put around both is heard between them.
    introSeconds: async (measure, [, mastered = '']) => (await measure(OUTPUT)) - (await measure(mastered)),
  })
}

/** The length in seconds of a file in the folder. */
type Measure = (name: string) => Promise<number>

/** Which stored sounds are fetched into a folder, and what is done with them there. */
type Making = {
  readonly keys: readonly string[]
  readonly work: (folder: string, inputs: string[], options: FfmpegOptions) => Promise<void>
  /** How long it takes in the result until the recording begins. */
  readonly introSeconds: (measure: Measure, inputs: string[]) => Promise<number>
}

/** Fetches the sources, has them worked on, and stores what comes of it; once at a time, in bounded time and space. */
async function make(
  attempt: HereAttempt,
  tools: HereTools,
  { userId, recordingBytes, audioKey }: HereSources,
  { keys, work, introSeconds }: Making,
): Promise<MasteredHere> {
  const leave = await enterLine(userId, lineMsMax(recordingBytes), attempt)
  const folder = await mkdtemp(join(tmpdir(), 'steadycast-mastering-'))
  const tooLong = AbortSignal.timeout(TIME_MS_MAX)
  let tooLongForItsSize: AbortSignal | undefined
  try {
    const signal = AbortSignal.any([attempt.signal, tooLong])
    attempt.tell('fetching the recording, to master it here')
    const inputs = await fetchInputs(tools, keys, folder, signal)
    attempt.tell('mastering it here')
    const workMs = workMsMax(await bytesOf(folder, inputs))
    tooLongForItsSize = AbortSignal.timeout(workMs)
    const workSignal = AbortSignal.any([signal, tooLongForItsSize])
    await quietly(attempt, workMs, () =>
      work(folder, inputs, { program: ffmpegProgram(tools.ffmpegPath), signal: workSignal }),
    )
    const about = { contentType: 'audio/mpeg', userId }
    const measure: Measure = (name) => durationSeconds(createReadStream(join(folder, name)), about, { signal })
    const lengths = { durationSeconds: await measure(OUTPUT), introSeconds: await introSeconds(measure, inputs) }
    await tools.objects.create(audioKey, createReadStream(join(folder, OUTPUT)), 'audio/mpeg', signal)
    return { audioKey, ...lengths }
  } catch (error) {
    const ranOut = tooLong.aborted || tooLongForItsSize?.aborted === true
    if (ranOut && !attempt.signal.aborted) throw new NoFallback('mastering it here takes longer than it may')
    if (error instanceof NotAudioError) throw new NoFallback('the recording cannot be read here', { cause: error })
    throw error
  } finally {
    leave()
    await rm(folder, { recursive: true, force: true })
  }
}

/** What can come out of a recording of so many bytes, which is said to last so long. */
export function secondsOfSound(bytes: number, saidSeconds: number | undefined): number {
  const said = saidSeconds ? saidSeconds * LENGTH_SHARE_MAX + LENGTH_SLACK_SECONDS : Infinity
  return Math.min(secondsPackedMax(bytes), said)
}

/** How long mastering so many bytes may keep others from it: a small file that lasts for hours is not an honest one. */
export function workMsMax(bytes: number): number {
  return Math.min(TIME_MS_MAX, WORK_MS_MIN + Math.ceil((bytes / 1e6) * WORK_MS_PER_MB))
}

async function bytesOf(folder: string, inputs: readonly string[]): Promise<number> {
  const files = await Promise.all(inputs.map((input) => stat(join(folder, input))))
  return files.reduce((sum, { size }) => sum + size, 0)
}

/** How long its turn can be waited for, so that there is time left for the work. */
export function lineMsMax(bytes: number): number {
  return Math.max(LINE_MS_MIN, TIME_MS_MAX - workMsMax(bytes))
}

/** What has a limit of its own, and says nothing until then. */
async function quietly<T>({ call }: HereAttempt, mostMs: number, work: () => Promise<T>): Promise<T> {
  const done = call?.progress?.expectQuiet(mostMs)
  try {
    return await work()
  } finally {
    done?.()
  }
}

async function enterLine(userId: string, waitMs: number, attempt: HereAttempt): Promise<() => void> {
  const { signal, tell } = attempt
  tell('waiting for its turn to be mastered here')
  const turn = AbortSignal.any([signal, AbortSignal.timeout(waitMs)])
  try {
    return await quietly(attempt, waitMs, () => oneAtATime.take(userId, turn))
  } catch (cause) {
    signal.throwIfAborted()
    throw new FallbackBusy('another recording is being mastered here', { cause })
  }
}

async function fetchInputs(
  { objects }: HereTools,
  keys: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<string[]> {
  const inputs = keys.map((_key, index) => `in${index}`)
  for (const [index, key] of keys.entries()) {
    const source = await objects.readStream(key)
    await pipeline(source, createWriteStream(join(folder, `in${index}`)), { signal })
  }
  return inputs
}
