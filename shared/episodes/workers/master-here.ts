import { createReadStream, createWriteStream } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import { durationSeconds } from '../../audio/duration.ts'
import { ffmpegProgram } from '../../audio/ffmpeg.ts'
import { masterLoudness } from '../../audio/loudness.ts'
import { NotAudioError } from '../../audio/not-audio.ts'
import { Slots } from '../../resilience/slots.ts'
import { artefactKey } from '../artefacts.ts'
import { FallbackBusy, loudnessTargetOf, NoFallback } from './work.ts'
import type { Fallback, Work } from './work.ts'

/** Files of a function are in its memory: recording, result and ffmpeg share 2 GiB. */
const RECORDING_BYTES_MAX = 1024 ** 3
/** Within the function's 540 s, with time to fetch, to store and to say how it ended. */
const TIME_MS_MAX = 420_000
/** The line before it; who waits longer comes back with the next attempt. */
const LINE_MS_MAX = 60_000
const oneAtATime = new Slots(1)

/**
 * Recording and intro to one mp3 of even loudness (EBU R128, two passes), made in this function: no noise reduction and
 * no leveller, which are the provider's own.
 */
export async function masterHere(work: Work): Promise<Fallback> {
  const { audio } = work.episode
  if (audio === undefined) throw new Error('an episode in processing without audio')
  if ((audio.sizeBytes ?? 0) > RECORDING_BYTES_MAX)
    throw new NoFallback('the recording is too large to be mastered here')
  const leave = await placeInLine(work.signal)
  const folder = await mkdtemp(join(tmpdir(), 'steadycast-mastering-'))
  const tooLong = AbortSignal.timeout(TIME_MS_MAX)
  try {
    return await mastered(work, folder, AbortSignal.any([work.signal, tooLong]))
  } catch (error) {
    if (tooLong.aborted && !work.signal.aborted) throw new NoFallback('mastering it here takes longer than it may')
    if (error instanceof NotAudioError) throw new NoFallback('the recording cannot be read here', { cause: error })
    throw error
  } finally {
    leave()
    await rm(folder, { recursive: true, force: true })
  }
}

async function placeInLine(signal: AbortSignal): Promise<() => void> {
  try {
    return await oneAtATime.take(AbortSignal.any([signal, AbortSignal.timeout(LINE_MS_MAX)]))
  } catch (cause) {
    signal.throwIfAborted()
    throw new FallbackBusy('another recording is being mastered here', { cause })
  }
}

async function mastered(work: Work, folder: string, signal: AbortSignal): Promise<Fallback> {
  const { objects, config } = work.needs
  const { id, generation, audio, results } = work.episode
  const sources = [results.voice?.audioKey, audio?.key].filter((key) => key !== undefined)
  work.at('fetching the recording, to master it here')
  const inputs = sources.map((_key, index) => `in${index}`)
  for (const [index, key] of sources.entries())
    await pipeline(await objects.readStream(key), createWriteStream(join(folder, `in${index}`)), { signal })
  work.at('mastering it here')
  const program = ffmpegProgram(config.ffmpegPath)
  const targetLufs = loudnessTargetOf(work.episode)
  await masterLoudness(folder, { inputs, output: 'mastered.mp3', targetLufs }, { program, signal })
  const path = join(folder, 'mastered.mp3')
  const seconds = await durationSeconds(createReadStream(path), 'audio/mpeg')
  const audioKey = artefactKey(id, generation, 'mastered-here.mp3')
  await objects.create(audioKey, createReadStream(path), 'audio/mpeg', signal)
  const recordingSeconds = results.transcribe?.durationSeconds ?? seconds
  const introSeconds = results.voice ? Math.max(0, seconds - recordingSeconds) : 0
  return {
    results: { master: { audioKey, durationSeconds: seconds, introSeconds } },
    degraded: 'The loudness was evened out, without noise reduction, because the mastering service was away.',
  }
}
