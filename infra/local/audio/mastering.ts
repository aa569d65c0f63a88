import { parseBuffer } from 'music-metadata'

import { runFfmpeg } from './ffmpeg.ts'

export type Loudness = { integratedLufs: number; truePeakDb: number; rangeLu: number; thresholdLufs: number }

/** Highest true peak, dBTP, and widest loudness range, LU, that the normalisation may leave. */
const TRUE_PEAK_DB = -1.5
const RANGE_LU = 20

/** What ffmpeg could not read as audio. */
class NotAudioError extends Error {
  override readonly name = 'NotAudioError'
}

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
export async function measureLoudness(audio: Uint8Array, target = -16): Promise<Loudness> {
  return measure(['-i', 'in0'], { in0: audio }, '[0:a]', target)
}

/** Joins intro and recording and brings both to the target in two passes, linearly. @returns mp3, 128 kbit/s */
export async function master(
  recording: Uint8Array,
  intro: Uint8Array | undefined,
  targetLufs: number,
  title: string,
): Promise<Uint8Array> {
  const tracks = intro === undefined ? [recording] : [intro, recording]
  const inputs = Object.fromEntries(tracks.map((track, index) => [`in${index}`, track]))
  const sources = tracks.flatMap((_track, index) => ['-i', `in${index}`])
  const same = tracks
    .map((_track, index) => `[${index}:a]aresample=44100,aformat=channel_layouts=stereo[a${index}]`)
    .join(';')
  const joined = `${same};${tracks.map((_track, index) => `[a${index}]`).join('')}concat=n=${tracks.length}:v=0:a=1[j];[j]`
  const before = await measure(sources, inputs, joined, targetLufs)
  const measured = [
    `measured_I=${before.integratedLufs}`,
    `measured_TP=${before.truePeakDb}`,
    `measured_LRA=${before.rangeLu}`,
    `measured_thresh=${before.thresholdLufs}`,
    'linear=true',
  ].join(':')
  const filter = `${joined}${loudnorm(targetLufs)}:${measured},aresample=44100[out]`
  const encode = [
    '-map',
    '[out]',
    '-map_metadata',
    '-1',
    '-c:a',
    'libmp3lame',
    '-b:a',
    '128k',
    '-metadata',
    `title=${title}`,
    '-f',
    'mp3',
    'out',
  ]
  const { exitCode, stderr, outputs } = await runFfmpeg([...sources, '-filter_complex', filter, ...encode], inputs, [
    'out',
  ])
  if (exitCode !== 0 || outputs['out'] === undefined) throw new NotAudioError(lastLine(stderr))
  return outputs['out']
}

/** Any audio as mp3, 44.1 kHz, 128 kbit/s. */
export async function toMp3(audio: Uint8Array): Promise<Uint8Array> {
  const { exitCode, stderr, outputs } = await runFfmpeg(
    ['-i', 'in0', '-ar', '44100', '-c:a', 'libmp3lame', '-b:a', '128k', '-f', 'mp3', 'out'],
    { in0: audio },
    ['out'],
  )
  if (exitCode !== 0 || outputs['out'] === undefined) throw new NotAudioError(lastLine(stderr))
  return outputs['out']
}

function loudnorm(targetLufs: number): string {
  return `loudnorm=I=${targetLufs}:TP=${TRUE_PEAK_DB}:LRA=${RANGE_LU}:print_format=json`
}

async function measure(
  sources: string[],
  inputs: Record<string, Uint8Array>,
  chain: string,
  targetLufs: number,
): Promise<Loudness> {
  const filter = `${chain}${loudnorm(targetLufs)}[out]`
  const { exitCode, stderr } = await runFfmpeg(
    [...sources, '-filter_complex', filter, '-map', '[out]', '-f', 'null', '-'],
    inputs,
    [],
  )
  const json = /\{[^{}]*"input_i"[^{}]*\}/.exec(stderr)?.[0]
  if (exitCode !== 0 || json === undefined) throw new NotAudioError(lastLine(stderr))
  const report = JSON.parse(json) as Record<string, string>
  return {
    integratedLufs: Number(report['input_i']),
    truePeakDb: Number(report['input_tp']),
    rangeLu: Number(report['input_lra']),
    thresholdLufs: Number(report['input_thresh']),
  }
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1)?.slice(0, 200) ?? ''
}
