import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { inputArgs } from '../../../../shared/podcast/sound/ffmpeg-input.ts'
import { ffmpegProgram, runFfmpeg } from '../../../../shared/podcast/sound/ffmpeg.ts'

const RATE = 44_100

/** A wav of one channel: noise of that amplitude, of 32,767 at most. */
export function noise(seconds: number, amplitude: number, rate = RATE): Buffer {
  const samples = Math.round(seconds * rate)
  const wav = Buffer.alloc(44 + samples * 2)
  wav.write('RIFF', 0)
  wav.writeUInt32LE(36 + samples * 2, 4)
  wav.write('WAVEfmt ', 8)
  wav.writeUInt32LE(16, 16)
  wav.writeUInt16LE(1, 20)
  wav.writeUInt16LE(1, 22)
  wav.writeUInt32LE(rate, 24)
  wav.writeUInt32LE(rate * 2, 28)
  wav.writeUInt16LE(2, 32)
  wav.writeUInt16LE(16, 34)
  wav.write('data', 36)
  wav.writeUInt32LE(samples * 2, 40)
  let state = 12_345
  for (let index = 0; index < samples; index++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff
    wav.writeInt16LE(Math.round((state / 0x7fffffff - 0.5) * 2 * amplitude), 44 + index * 2)
  }
  return wav
}

/** Has ffmpeg make something else of a sound. */
async function convert(sound: Buffer, args: readonly string[]): Promise<Buffer> {
  const folder = await mkdtemp(join(tmpdir(), 'steadycast-test-sound-'))
  try {
    await writeFile(join(folder, 'in'), sound)
    const source = await inputArgs(folder, 'in')
    const command = { folder, args: [...source, ...args, 'out'], inputs: ['in'], outputs: ['out'] }
    const options = { program: ffmpegProgram(undefined), signal: AbortSignal.timeout(60_000) }
    const { exitCode, log } = await runFfmpeg(command, options)
    if (exitCode !== 0) throw new Error(log)
    return await readFile(join(folder, 'out'))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

export function toMp3(sound: Buffer, more: readonly string[] = []): Promise<Buffer> {
  return convert(sound, ['-c:a', 'libmp3lame', '-b:a', '128k', ...more, '-f', 'mp3'])
}

/** What is heard: samples of one channel, 44.1 kHz. */
async function decode(sound: Buffer): Promise<Int16Array> {
  const pcm = await convert(sound, ['-f', 's16le', '-ac', '1', '-ar', String(RATE), '-c:a', 'pcm_s16le'])
  return new Int16Array(pcm.buffer.slice(pcm.byteOffset, pcm.byteOffset + pcm.length - (pcm.length % 2)))
}

export async function secondsHeard(sound: Buffer): Promise<number> {
  return (await decode(sound)).length / RATE
}

/** When it first gets as loud as a third of its loudest. */
export async function secondsUntilLoud(sound: Buffer): Promise<number> {
  const samples = await decode(sound)
  const loudest = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)
  return samples.findIndex((sample) => Math.abs(sample) > loudest / 3) / RATE
}
