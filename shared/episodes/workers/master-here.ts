import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import { durationSeconds } from '../../audio/duration.ts'
import { ffmpegProgram } from '../../audio/ffmpeg.ts'
import type { FfmpegOptions } from '../../audio/ffmpeg.ts'
import { masterLoudness, prependIntro } from '../../audio/loudness.ts'
import { NotAudioError } from '../../audio/not-audio.ts'
import { Slots } from '../../resilience/slots.ts'
import { artefactKey } from '../artefacts.ts'
import type { Outcome } from '../machine.ts'
import type { Results } from '../schema.ts'
import { FallbackBusy, loudnessTargetOf, NoFallback } from './work.ts'
import type { Fallback, Work } from './work.ts'

/** Files of a function are in its memory: recording, result and ffmpeg share 2 GiB. */
const RECORDING_BYTES_MAX = 1024 ** 3
/** Within the function's 540 s, with time to fetch, to store and to say how it ended. */
const TIME_MS_MAX = 420_000
/** The line before it; who waits longer comes back with the next attempt. */
const LINE_MS_MAX = 60_000
const oneAtATime = new Slots(1)

const OUTPUT = 'mastered.mp3'

/**
 * Recording and intro to one mp3 of even loudness (EBU R128, two passes), made in this function: no noise reduction and
 * no leveller, which are the provider's own.
 */
export async function masterHere(work: Work): Promise<Fallback> {
  const { audio, results } = work.episode
  if (audio === undefined) throw new Error('an episode in processing without audio')
  if ((audio.sizeBytes ?? 0) > RECORDING_BYTES_MAX)
    throw new NoFallback('the recording is too large to be mastered here')
  const sources = [...(results.voice ? [results.voice.audioKey] : []), audio.key]
  const targetLufs = loudnessTargetOf(work.episode)
  const mastered = await workOnFiles(work, sources, (folder, inputs, options) =>
    masterLoudness(folder, { inputs, output: OUTPUT, targetLufs }, options),
  )
  return {
    results: mastered,
    degraded: 'The loudness was evened out, without noise reduction, because the mastering service was away.',
  }
}

/** An intro that could be spoken after all: put before what is mastered already, which is not paid for again. */
export async function addIntro(work: Work): Promise<Outcome> {
  const { replaces, results } = work.episode
  const mastered = replaces?.results.master
  if (mastered === undefined || results.voice === undefined)
    throw new Error('nothing is mastered, or nothing is spoken')
  if (replaces?.steps.master.fallback !== undefined) {
    const fallback = await masterHere(work)
    return { kind: 'done', ...fallback, fallsBack: true, upgradeAfterMs: work.dependencies.config.upgradeAfterMs }
  }
  const targetLufs = loudnessTargetOf(work.episode)
  const sources = [results.voice.audioKey, mastered.audioKey]
  const joined = await workOnFiles(work, sources, (folder, [intro = '', rest = ''], options) =>
    prependIntro(folder, { intro, mastered: rest, output: OUTPUT, targetLufs }, options),
  )
  return { kind: 'done', results: joined }
}

/** Fetches the sources, has them worked on, and stores what comes of it; once at a time, in bounded time and space. */
async function workOnFiles(
  work: Work,
  sources: readonly string[],
  make: (folder: string, inputs: string[], options: FfmpegOptions) => Promise<void>,
): Promise<Required<Pick<Results, 'master'>>> {
  const leave = await waitInLine(work.signal)
  const folder = await mkdtemp(join(tmpdir(), 'steadycast-mastering-'))
  const tooLong = AbortSignal.timeout(TIME_MS_MAX)
  try {
    const signal = AbortSignal.any([work.signal, tooLong])
    work.at('fetching the recording, to master it here')
    const inputs = await fetchSources(work, sources, folder, signal)
    work.at('mastering it here')
    await make(folder, inputs, { program: ffmpegProgram(work.dependencies.config.ffmpegPath), signal })
    return await storeMastered(work, join(folder, OUTPUT), signal)
  } catch (error) {
    if (tooLong.aborted && !work.signal.aborted) throw new NoFallback('mastering it here takes longer than it may')
    if (error instanceof NotAudioError) throw new NoFallback('the recording cannot be read here', { cause: error })
    throw error
  } finally {
    leave()
    await rm(folder, { recursive: true, force: true })
  }
}

async function waitInLine(signal: AbortSignal): Promise<() => void> {
  try {
    return await oneAtATime.take(AbortSignal.any([signal, AbortSignal.timeout(LINE_MS_MAX)]))
  } catch (cause) {
    signal.throwIfAborted()
    throw new FallbackBusy('another recording is being mastered here', { cause })
  }
}

async function fetchSources(
  work: Work,
  sources: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<string[]> {
  const inputs = sources.map((_key, index) => `in${index}`)
  for (const [index, key] of sources.entries()) {
    const source = await work.dependencies.objects.readStream(key)
    await pipeline(source, createWriteStream(join(folder, `in${index}`)), { signal })
  }
  return inputs
}

async function storeMastered(
  work: Work,
  path: string,
  signal: AbortSignal,
): Promise<Required<Pick<Results, 'master'>>> {
  const { id, generation, results } = work.episode
  const seconds = await durationSeconds(createReadStream(path), 'audio/mpeg')
  const audioKey = artefactKey(id, generation, 'mastered-here.mp3')
  await work.dependencies.objects.create(audioKey, createReadStream(path), 'audio/mpeg', signal)
  const recordingSeconds = results.transcribe?.durationSeconds ?? seconds
  const introSeconds = results.voice ? Math.max(0, seconds - recordingSeconds) : 0
  return { master: { audioKey, durationSeconds: seconds, introSeconds } }
}
