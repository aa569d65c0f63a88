import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { parseBuffer } from 'music-metadata'

import { ffmpegProgram } from '../../../shared/podcast/sound/ffmpeg.ts'
import type { FfmpegOptions } from '../../../shared/podcast/sound/ffmpeg.ts'
import * as loudness from '../../../shared/podcast/sound/loudness.ts'
import { NotAudioError } from '../../../shared/podcast/sound/not-audio.ts'
import type { Loudness } from '../../../shared/podcast/sound/loudness.ts'
import { remember } from './remember.ts'

const RUN_TIMEOUT_MS = 600_000

/** Duration in seconds, of any file that is audio. @throws NotAudioError */
export async function durationSeconds(audio: Uint8Array): Promise<number> {
  const metadata = await parseBuffer(audio, undefined, { duration: true }).catch((cause: unknown) => {
    throw new NotAudioError('not an audio file', { cause })
  })
  const { duration } = metadata.format
  if (duration === undefined || !(duration > 0)) throw new NotAudioError('an audio file without duration')
  return duration
}

/** Integrated loudness by EBU R128. @throws NotAudioError */
export async function measureLoudness(audio: Uint8Array): Promise<Loudness> {
  return inFolder('measure', [audio], [], (folder, options) => loudness.measureLoudness(folder, 'in0', options))
}

/** Joins intro and recording and brings both to the target. @returns mp3, 128 kbit/s */
export async function master(
  recording: Uint8Array,
  intro: Uint8Array | undefined,
  targetLufs: number,
): Promise<Uint8Array> {
  const tracks = intro === undefined ? [recording] : [intro, recording]
  return inFolder('master', tracks, [targetLufs], async (folder, options) => {
    const inputs = tracks.map((_track, index) => `in${index}`)
    await loudness.masterLoudness(folder, { inputs, output: 'out', targetLufs }, options)
    return readFile(join(folder, 'out'))
  })
}

/** Any audio as mp3, 44.1 kHz, 128 kbit/s. */
export async function toMp3(audio: Uint8Array): Promise<Uint8Array> {
  return inFolder('mp3', [audio], [], async (folder, options) => {
    await loudness.encodeMp3(folder, 'in0', 'out', options)
    return readFile(join(folder, 'out'))
  })
}

function inFolder<T>(
  what: string,
  files: readonly Uint8Array[],
  settings: readonly number[],
  work: (folder: string, options: FfmpegOptions) => Promise<T>,
): Promise<T> {
  return remember([what, ...settings, ...files], () => run(files, work))
}

async function run<T>(
  files: readonly Uint8Array[],
  work: (folder: string, options: FfmpegOptions) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), `steadycast-${process.pid}-audio-`))
  try {
    for (const [index, file] of files.entries()) await writeFile(join(folder, `in${index}`), file)
    const program = ffmpegProgram(process.env['FFMPEG_PATH']?.trim() || undefined)
    return await work(folder, { program, signal: AbortSignal.timeout(RUN_TIMEOUT_MS) })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}
