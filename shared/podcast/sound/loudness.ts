import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { runFfmpeg } from './ffmpeg.ts'
import type { FfmpegOptions, FfmpegResult } from './ffmpeg.ts'
import { inputArgs, joinArgs, requireFrames } from './ffmpeg-input.ts'
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
/** How exactly ffmpeg tells the time, in seconds: in hundredths, at the end of a frame. */
const PROGRESS_SECONDS = 0.1
const FIRST_SOUND = ['-map', '0:a:0']
const ENCODING = ['-map_metadata', '-1', '-c:a', 'libmp3lame', '-b:a', '128k', '-f', 'mp3']

/** Measures a file of `folder`; silence has a loudness of -70 LUFS, the meter's lowest. @throws NotAudioError */
export async function measureLoudness(folder: string, input: string, options: FfmpegOptions): Promise<Loudness> {
  const { loudness } = await measureChain({ folder, inputs: [input], chain: '[0:a]' }, options)
  return loudness
}

export type LoudnessMastering = {
  readonly inputs: readonly string[]
  readonly output: string
  readonly targetLufs: number
  /** What all of it together must be shorter than. */
  readonly secondsMax?: number
}

/**
 * Joins files of `folder` in their order and brings the whole to the target in two passes (EBU R128): the first measures,
 * the second applies one gain where the peaks allow it. Makes an mp3 of 128 kbit/s.
 * @throws NotAudioError also for what lasts longer than it may
 */
export async function masterLoudness(
  folder: string,
  { inputs, output, targetLufs, secondsMax }: LoudnessMastering,
  options: FfmpegOptions,
): Promise<void> {
  const same = inputs
    .map((_input, index) => `[${index}:a]aresample=${SAMPLE_RATE},aformat=channel_layouts=stereo[a${index}]`)
    .join(';')
  const joined = `${same};${inputs.map((_input, index) => `[a${index}]`).join('')}concat=n=${inputs.length}:v=0:a=1[j];[j]`
  const { loudness: before, seconds } = await measureChain({ folder, inputs, chain: joined, secondsMax }, options)
  if (secondsMax !== undefined && seconds >= secondsMax - PROGRESS_SECONDS)
    throw new NotAudioError('a recording that lasts longer than it says')
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
  const sources = await sourcesOf(folder, inputs)
  const args = [...sources, '-filter_complex', filter, '-map', '[out]', ...noLonger(secondsMax), ...ENCODING, output]
  requireSuccess(await runFfmpeg({ folder, args, inputs, outputs: [output] }, options))
}

/**
 * Puts an intro of the target's loudness before an mp3 that is mastered already, which is left as it is.
 * @throws NotAudioError
 */
export async function prependIntro(
  folder: string,
  { intro, mastered, output, targetLufs }: { intro: string; mastered: string; output: string; targetLufs: number },
  options: FfmpegOptions,
): Promise<void> {
  await requireFrames(folder, mastered)
  const { sampleRate, channels } = await encodingOf(folder, mastered, options)
  const before = await measureLoudness(folder, intro, options)
  const gainDb = Math.min(targetLufs + ENCODER_LOSS_DB - before.integratedLufs, TRUE_PEAK_DB - before.truePeakDb)
  const like = ['-ar', sampleRate, '-ac', channels]
  const volume = `volume=${before.integratedLufs > SILENCE_LUFS ? gainDb : 0}dB`
  const louder = [...(await inputArgs(folder, intro)), ...FIRST_SOUND, '-filter:a', volume, ...like]
  const normal = 'intro-normal.mp3'
  requireSuccess(
    await runFfmpeg({ folder, args: [...louder, ...ENCODING, normal], inputs: [intro], outputs: [normal] }, options),
  )
  await writeFile(join(folder, 'list.txt'), `file '${normal}'\nfile '${mastered}'\n`)
  const args = [...joinArgs('list.txt'), ...FIRST_SOUND, '-c', 'copy', '-map_metadata', '-1', '-f', 'mp3', output]
  const inputs = ['list.txt', normal, mastered]
  requireSuccess(await runFfmpeg({ folder, args, inputs, outputs: [output] }, options))
}

/** Any audio of `folder` as an mp3 of 128 kbit/s. @throws NotAudioError */
export async function encodeMp3(folder: string, input: string, output: string, options: FfmpegOptions): Promise<void> {
  const args = [...(await inputArgs(folder, input)), ...FIRST_SOUND, '-ar', String(SAMPLE_RATE), ...ENCODING, output]
  requireSuccess(await runFfmpeg({ folder, args, inputs: [input], outputs: [output] }, options))
}

async function encodingOf(
  folder: string,
  input: string,
  options: FfmpegOptions,
): Promise<{ sampleRate: string; channels: string }> {
  const args = await inputArgs(folder, input)
  const { log } = await runFfmpeg({ folder, args, inputs: [input], outputs: [] }, options)
  const [, sampleRate, layout] = /Audio: mp3.*?, (\d+) Hz, (mono|stereo)/.exec(log) ?? []
  if (sampleRate === undefined) throw new NotAudioError(lastLine(log))
  return { sampleRate, channels: layout === 'mono' ? '1' : '2' }
}

type Chain = {
  readonly folder: string
  readonly inputs: readonly string[]
  readonly chain: string
  readonly secondsMax?: number | undefined
}

/** By the meter of EBU Tech 3341, at the end of a chain of filters. */
async function measureChain(
  { folder, inputs, chain, secondsMax }: Chain,
  options: FfmpegOptions,
): Promise<{ loudness: Loudness; seconds: number }> {
  const filter = `${chain}ebur128=peak=true[out]`
  const sources = await sourcesOf(folder, inputs)
  const args = [...sources, '-filter_complex', filter, '-map', '[out]', ...noLonger(secondsMax), '-f', 'null', '-']
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
  return { loudness, seconds: secondsMade(log) }
}

async function sourcesOf(folder: string, inputs: readonly string[]): Promise<string[]> {
  const sources = await Promise.all(inputs.map((input) => inputArgs(folder, input)))
  return sources.flat()
}

function noLonger(secondsMax: number | undefined): string[] {
  return secondsMax === undefined ? [] : ['-t', secondsMax.toFixed(3)]
}

/** As ffmpeg's last line of progress tells it. */
function secondsMade(log: string): number {
  const [, hours, minutes, seconds] = [...log.matchAll(/time=(\d+):(\d\d):(\d\d\.\d+)/g)].at(-1) ?? []
  return Number(hours ?? 0) * 3600 + Number(minutes ?? 0) * 60 + Number(seconds ?? 0)
}

function loudnorm(targetLufs: number): string {
  return `loudnorm=I=${targetLufs + ENCODER_LOSS_DB}:TP=${TRUE_PEAK_DB}:LRA=${RANGE_LU}`
}

function requireSuccess(result: FfmpegResult): FfmpegResult {
  if (result.exitCode === 0) return result
  throw new NotAudioError(lastLine(result.log))
}

/** The last thing that ffmpeg had to say; in WebAssembly it ends with the news that it has ended. */
function lastLine(text: string): string {
  const lines = text.trim().split('\n')
  return lines.findLast((line) => line !== 'Aborted()')?.slice(0, 200) ?? ''
}
