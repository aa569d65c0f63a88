import { statSync } from 'node:fs'
import { copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { inputArgs } from '../../shared/podcast/sound/ffmpeg-input.ts'
import { ffmpegProgram, runFfmpeg } from '../../shared/podcast/sound/ffmpeg.ts'
import { masterLoudness, measureLoudness } from '../../shared/podcast/sound/loudness.ts'
import { watchMemory } from './memory.ts'
import { figure, title } from './report.ts'

/** An hour of stereo speech, mastered without its provider: how fast, in how much memory, and how loud. */
const FIXTURE = fileURLToPath(new URL('../fixtures/speech.flac', import.meta.url))
const FIXTURE_SECONDS = 11
const HOUR_SECONDS = 3600
const LIMIT_MS = 1_800_000
const TARGET_LUFS = -16
const MEMORY_MIB_MAX = 1024
const SPEED_MIN = 20

export async function benchMastering(): Promise<void> {
  const wasm = 'wasm'
  const native = ffmpegProgram(process.env['FFMPEG_PATH']?.trim() || undefined)
  const folder = await mkdtemp(join(tmpdir(), 'steadycast-bench-mastering-'))
  try {
    await copyFile(FIXTURE, join(folder, 'speech.flac'))
    const loops = String(Math.ceil(HOUR_SECONDS / FIXTURE_SECONDS) - 1)
    const encoding = ['-ac', '2', '-ar', '44100', '-c:a', 'libmp3lame', '-b:a', '128k', '-f', 'mp3']
    const args = ['-stream_loop', loops, ...(await inputArgs(folder, 'speech.flac')), ...encoding, 'hour.mp3']
    const job = { folder, args, inputs: ['speech.flac'], outputs: ['hour.mp3'] }
    await runFfmpeg(job, { program: native, signal: AbortSignal.timeout(LIMIT_MS) })
    title(`Mastering here: an hour of stereo, ${Math.round(statSync(join(folder, 'hour.mp3')).size / 1e6)} MB of mp3`)
    if (native === wasm) figure('native', 'there is no ffmpeg on PATH, and FFMPEG_PATH names none')
    else await measure(folder, 'native', native)
    await measure(folder, 'in WebAssembly', wasm)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function measure(folder: string, name: string, program: string): Promise<void> {
  const options = { program, signal: AbortSignal.timeout(LIMIT_MS) }
  const memory = watchMemory()
  const startedAtMs = performance.now()
  const parts = { inputs: ['hour.mp3'], output: 'out.mp3', targetLufs: TARGET_LUFS }
  await masterLoudness(folder, parts, options)
  const seconds = (performance.now() - startedAtMs) / 1000
  const peakMiB = memory.stop()
  const speed = HOUR_SECONDS / seconds
  const { integratedLufs, truePeakDb } = await measureLoudness(folder, 'out.mp3', options)
  const isNative = program !== 'wasm'
  const fast = { text: `${SPEED_MIN} or more`, met: speed >= SPEED_MIN }
  figure(`${name}: times real time`, `${speed.toFixed(1)} (${seconds.toFixed(0)} s)`, isNative ? fast : undefined)
  figure(`${name}: memory of all its processes, at most`, `${peakMiB.toFixed(0)} MiB`, {
    text: `under ${MEMORY_MIB_MAX} MiB`,
    met: peakMiB < MEMORY_MIB_MAX,
  })
  figure(`${name}: loudness and true peak`, `${integratedLufs} LUFS, ${truePeakDb} dBTP`, {
    text: '-16 +-0.5, under -1',
    met: Math.abs(integratedLufs - TARGET_LUFS) <= 0.5 && truePeakDb < -1,
  })
}
