import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { ffmpegProgram } from '../../shared/podcast/sound/ffmpeg.ts'
import { masterLoudness, measureLoudness, prependIntro } from '../../shared/podcast/sound/loudness.ts'
import { NotAudioError } from '../../shared/podcast/sound/not-audio.ts'

/** Mastering without its provider: what comes out, by the measure that platforms take (EBU R128). */
const SPEECH = fileURLToPath(new URL('../fixtures/speech.flac', import.meta.url))
const RATE = 22_050
const TARGET_LUFS = -16
const TOLERANCE_LU = 0.5
const TRUE_PEAK_DB_MAX = -1

let folder: string
const options = () => ({ program: ffmpegProgram(undefined), signal: AbortSignal.timeout(110_000) })

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'steadycast-loudness-'))
  await copyFile(SPEECH, join(folder, 'speech'))
  await writeFile(join(folder, 'music'), wav(music(20)))
  await writeFile(join(folder, 'silence-heavy'), wav(rarely(60)))
  await writeFile(join(folder, 'quiet'), wav(music(12).map((sample) => sample * 0.01)))
  await writeFile(join(folder, 'silent'), wav(new Float64Array(RATE * 5)))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

/** Chords with beats, loud and with peaks. */
function music(seconds: number): Float64Array {
  const chords = [
    [220, 277.2, 329.6],
    [196, 246.9, 293.7],
    [174.6, 220, 261.6],
  ]
  return Float64Array.from({ length: RATE * seconds }, (_, index) => {
    const time = index / RATE
    const chord = chords[Math.floor(time / 2) % chords.length] ?? []
    const tone = chord.reduce((sum, hertz) => sum + Math.sin(2 * Math.PI * hertz * time), 0) / 3
    const beat = Math.sin(2 * Math.PI * 60 * time) * Math.exp(-12 * (time % 0.5))
    return 0.5 * tone + 0.45 * beat
  })
}

/** A minute in which something sounds for six seconds. */
function rarely(seconds: number): Float64Array {
  const sound = music(seconds)
  return sound.map((sample, index) => ((index / RATE) % 20 < 2 ? sample * 0.3 : 0))
}

/** 16-bit mono PCM. */
function wav(samples: Float64Array): Buffer {
  const head = Buffer.alloc(44)
  head.write('RIFF', 0)
  head.writeUInt32LE(36 + samples.length * 2, 4)
  head.write('WAVEfmt ', 8)
  head.writeUInt32LE(16, 16)
  head.writeUInt16LE(1, 20)
  head.writeUInt16LE(1, 22)
  head.writeUInt32LE(RATE, 24)
  head.writeUInt32LE(RATE * 2, 28)
  head.writeUInt16LE(2, 32)
  head.writeUInt16LE(16, 34)
  head.write('data', 36)
  head.writeUInt32LE(samples.length * 2, 40)
  const data = Int16Array.from(samples, (sample) => Math.round(Math.max(-1, Math.min(1, sample)) * 32_767))
  return Buffer.concat([head, Buffer.from(data.buffer)])
}

async function mastered(inputs: string[], output: string) {
  await masterLoudness(folder, { inputs, output, targetLufs: TARGET_LUFS }, options())
  return measureLoudness(folder, output, options())
}

describe('mastering here', () => {
  test.each(['speech', 'music', 'silence-heavy', 'quiet'])(
    'brings %s to -16 LUFS, peaks under -1 dBTP',
    async (input) => {
      const { integratedLufs, truePeakDb } = await mastered([input], `${input}.mp3`)
      process.stdout.write(`${input}: ${integratedLufs} LUFS, ${truePeakDb} dBTP\n`)
      expect(Math.abs(integratedLufs - TARGET_LUFS)).toBeLessThanOrEqual(TOLERANCE_LU)
      expect(truePeakDb).toBeLessThan(TRUE_PEAK_DB_MAX)
    },
  )

  test('joins intro and recording, whatever their rates and channels, to one loudness', async () => {
    const { integratedLufs, truePeakDb } = await mastered(['music', 'speech'], 'joined.mp3')
    expect(Math.abs(integratedLufs - TARGET_LUFS)).toBeLessThanOrEqual(TOLERANCE_LU)
    expect(truePeakDb).toBeLessThan(TRUE_PEAK_DB_MAX)
  })

  test('leaves silence alone', async () => {
    const { integratedLufs } = await mastered(['silent'], 'silent.mp3')
    expect(integratedLufs).toBeLessThan(-60)
  })

  test('puts a late intro before what is mastered, at its loudness', async () => {
    await mastered(['speech'], 'before.mp3')
    const parts = { intro: 'quiet', mastered: 'before.mp3', output: 'after.mp3', targetLufs: TARGET_LUFS }
    await prependIntro(folder, parts, options())
    const { integratedLufs, truePeakDb } = await measureLoudness(folder, 'after.mp3', options())
    expect(Math.abs(integratedLufs - TARGET_LUFS)).toBeLessThanOrEqual(1)
    expect(truePeakDb).toBeLessThan(TRUE_PEAK_DB_MAX)
  })

  test('says so when there is no audio', async () => {
    await writeFile(join(folder, 'text'), 'this is no recording')
    await expect(mastered(['text'], 'none.mp3')).rejects.toBeInstanceOf(NotAudioError)
  })
})
