import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { runFfmpeg } from './ffmpeg.ts'
import type { FfmpegOptions, FfmpegResult } from './ffmpeg.ts'
import { NotAudioError } from './not-audio.ts'

/** Loudness of a recording by EBU R128 (ITU-R BS.1770). */
export type Loudness = { integratedLufs: number; truePeakDb: number; rangeLu: number; thresholdLufs: number }

/** Highest true peak, dBTP, that is aimed at: encoding adds up to half a decibel, and -1 must hold. */
const TRUE_PEAK_DB = -2
/** LAME multiplies by 0.95 at this bit rate before it encodes. */
const ENCODER_LOSS_DB = 0.45
/** Widest loudness range, LU, that is left as it is. */
const RANGE_LU = 20
/** The lowest that the meter shows. */
const SILENCE_LUFS = -70
const SAMPLE_RATE = 44_100
const ENCODING = ['-map_metadata', '-1', '-c:a', 'libmp3lame', '-b:a', '128k', '-f', 'mp3']

/** Measures a file of `folder`; silence has a loudness of -70 LUFS, the meter's lowest. @throws NotAudioError */
export function measureLoudness(folder: string, input: string, options: FfmpegOptions): Promise<Loudness> {
  return measureChain(folder, [input], '[0:a]', options)
}

/**
 * Joins files of `folder` in their order and brings the whole to the target in two passes (EBU R128): the first measures,
 * the second applies one gain where the peaks allow it. Makes an mp3 of 128 kbit/s.
 * @throws NotAudioError
 */
export async function masterLoudness(
  folder: string,
  { inputs, output, targetLufs }: { inputs: readonly string[]; output: string; targetLufs: number },
  options: FfmpegOptions,
): Promise<void> {
  const same = inputs
    .map((_input, index) => `[${index}:a]aresample=${SAMPLE_RATE},aformat=channel_layouts=stereo[a${index}]`)
    .join(';')
  const joined = `${same};${inputs.map((_input, index) => `[a${index}]`).join('')}concat=n=${inputs.length}:v=0:a=1[j];[j]`
  const before = await measureChain(folder, inputs, joined, options)
  // Silence has no loudness to be brought anywhere.
  const applied =
    before.integratedLufs > SILENCE_LUFS
      ? `${loudnorm(targetLufs)}:${[
          `measured_I=${before.integratedLufs}`,
          `measured_TP=${before.truePeakDb}`,
          `measured_LRA=${before.rangeLu}`,
          `measured_thresh=${before.thresholdLufs}`,
          'linear=true',
        ].join(':')},`
      : ''
  const filter = `${joined}${applied}aresample=${SAMPLE_RATE}[out]`
  const args = [...sources(inputs), '-filter_complex', filter, '-map', '[out]', ...ENCODING, output]
  requireSuccess(await runFfmpeg({ folder, args, inputs, outputs: [output] }, options))
}

/** Puts an intro of the target's loudness before an mp3 that is mastered already, which is left as it is. */
export async function prependIntro(
  folder: string,
  { intro, mastered, output, targetLufs }: { intro: string; mastered: string; output: string; targetLufs: number },
  options: FfmpegOptions,
): Promise<void> {
  const { sampleRate, channels } = await encodingOf(folder, mastered, options)
  const before = await measureLoudness(folder, intro, options)
  const gainDb = Math.min(targetLufs + ENCODER_LOSS_DB - before.integratedLufs, TRUE_PEAK_DB - before.truePeakDb)
  const like = ['-ar', sampleRate, '-ac', channels]
  const louder = ['-i', intro, '-filter:a', `volume=${before.integratedLufs > SILENCE_LUFS ? gainDb : 0}dB`, ...like]
  const normal = 'intro-normal.mp3'
  requireSuccess(
    await runFfmpeg({ folder, args: [...louder, ...ENCODING, normal], inputs: [intro], outputs: [normal] }, options),
  )
  await writeFile(join(folder, 'list.txt'), `file '${normal}'\nfile '${mastered}'\n`)
  const args = [
    '-f',
    'concat',
    '-safe',
    '0',
    '-i',
    'list.txt',
    '-c',
    'copy',
    '-map_metadata',
    '-1',
    '-f',
    'mp3',
    output,
  ]
  const inputs = ['list.txt', normal, mastered]
  requireSuccess(await runFfmpeg({ folder, args, inputs, outputs: [output] }, options))
}

/** Any audio of `folder` as an mp3 of 128 kbit/s. @throws NotAudioError */
export async function encodeMp3(folder: string, input: string, output: string, options: FfmpegOptions): Promise<void> {
  const args = ['-i', input, '-ar', String(SAMPLE_RATE), ...ENCODING, output]
  requireSuccess(await runFfmpeg({ folder, args, inputs: [input], outputs: [output] }, options))
}

async function encodingOf(
  folder: string,
  input: string,
  options: FfmpegOptions,
): Promise<{ sampleRate: string; channels: string }> {
  const { log } = await runFfmpeg({ folder, args: ['-i', input], inputs: [input], outputs: [] }, options)
  const [, sampleRate, layout] = /Audio: mp3.*?, (\d+) Hz, (mono|stereo)/.exec(log) ?? []
  if (sampleRate === undefined) throw new NotAudioError(lastLine(log))
  return { sampleRate, channels: layout === 'mono' ? '1' : '2' }
}

/** By the meter of EBU Tech 3341, at the end of a chain of filters. */
async function measureChain(
  folder: string,
  inputs: readonly string[],
  chain: string,
  options: FfmpegOptions,
): Promise<Loudness> {
  const filter = `${chain}ebur128=peak=true[out]`
  const args = [...sources(inputs), '-filter_complex', filter, '-map', '[out]', '-f', 'null', '-']
  const { log } = requireSuccess(await runFfmpeg({ folder, args, inputs, outputs: [] }, options))
  const summary = log.slice(log.lastIndexOf('Summary:'))
  const figure = (pattern: RegExp) => Number(pattern.exec(summary)?.[1]?.replace('inf', 'Infinity') ?? Number.NaN)
  const loudness = {
    integratedLufs: figure(/I:\s+(-?[\d.]+) LUFS/),
    thresholdLufs: figure(/Threshold:\s+(-?[\d.]+) LUFS/),
    rangeLu: figure(/LRA:\s+(-?[\d.]+) LU/),
    truePeakDb: figure(/Peak:\s+(-?[\d.]+|-inf) dBFS/),
  }
  if (Object.values(loudness).some(Number.isNaN)) throw new NotAudioError(lastLine(log))
  return loudness
}

function sources(inputs: readonly string[]): string[] {
  return inputs.flatMap((input) => ['-i', input])
}

function loudnorm(targetLufs: number): string {
  return `loudnorm=I=${targetLufs + ENCODER_LOSS_DB}:TP=${TRUE_PEAK_DB}:LRA=${RANGE_LU}`
}

function requireSuccess(result: FfmpegResult): FfmpegResult {
  if (result.exitCode === 0) return result
  throw new NotAudioError(lastLine(result.log))
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 200) ?? ''
}
