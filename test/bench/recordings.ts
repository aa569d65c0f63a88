import { execFileSync } from 'node:child_process'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'

import { NoFallback } from '../../shared/engine/failure.ts'
import type { Objects } from '../../shared/podcast/storage.ts'
import { durationSeconds } from '../../shared/podcast/sound/duration.ts'
import { ffmpegProgram } from '../../shared/podcast/sound/ffmpeg.ts'
import { masterHere, secondsOfSound, workMsMax } from '../../shared/podcast/sound/master-here.ts'
import { NotAudioError } from '../../shared/podcast/sound/not-audio.ts'
import { hostileRecording } from '../shared/podcast/sound/hostile-recordings.ts'
import type { Canary } from '../shared/podcast/sound/hostile-recordings.ts'
import { silentMp3 } from '../shared/podcast/sound/mp3-frames.ts'
import { watchMemory } from './memory.ts'
import { figure, quantile, title } from './report.ts'

const RECORDINGS = Number(process.env['RECORDINGS'] ?? 1_000)
const FIRST_SEED = Number(process.env['RECORDING_SEED'] ?? 1)
/** What a machine with other work adds to the time that is given. */
const LATE_MS_MAX = 10_000
/** Of the 2,048 MiB that work-master has: ffmpeg makes a few samples a second into the 44,100 that an mp3 has. */
const MEMORY_MIB_MAX = 1536
/** The longer half of the recordings may not cost more memory than the first, but for what a heap keeps. */
const GROWTH_MAX = 1.5

/** Uploads that somebody has made to harm, mastered here: what they open, how long they take, and how they end. */
export async function benchRecordings(): Promise<void> {
  const native = ffmpegProgram(process.env['FFMPEG_PATH']?.trim() || undefined)
  title(`recordings: ${RECORDINGS} hostile files, seeds from ${FIRST_SEED}`)
  if (native === 'wasm') figure('native', 'there is no ffmpeg on PATH, and FFMPEG_PATH names none')
  else await masterAll('native', native)
  await masterAll('in WebAssembly', 'wasm')
}

async function masterAll(name: string, program: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'steadycast-bench-recordings-'))
  let visits = 0
  const listener = createServer((socket) => {
    visits++
    socket.destroy()
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => listener.once('listening', resolve))
  const canary: Canary = {
    path: join(folder, 'canary.mp3'),
    url: `http://127.0.0.1:${(listener.address() as AddressInfo).port}/canary.mp3`,
  }
  await writeFile(canary.path, silentMp3(115))
  const traced = await traceOpens(folder, program)
  const ends = new Map<string, number>()
  const faults: string[] = []
  const tookMs: number[] = []
  const memory = watchMemory()
  let early = 0
  try {
    for (let seed = FIRST_SEED; seed < FIRST_SEED + RECORDINGS; seed++) {
      const { what, bytes } = hostileRecording(seed, canary)
      const startedAtMs = performance.now()
      const end = await masterOne(bytes, traced.program)
      const ms = performance.now() - startedAtMs
      tookMs.push(ms)
      ends.set(end.words, (ends.get(end.words) ?? 0) + 1)
      if (end.fault !== undefined) faults.push(`RECORDING_SEED=${seed} RECORDINGS=1 (${what}): ${end.fault}`)
      if (ms > workMsMax(bytes.length) + LATE_MS_MAX) faults.push(`seed ${seed} (${what}): took ${ms.toFixed(0)} ms`)
      if (seed === FIRST_SEED + Math.floor(RECORDINGS / 2)) early = process.memoryUsage().rss
    }
  } finally {
    listener.close()
  }
  const peakMiB = memory.stop()
  const growth = process.memoryUsage().rss / early
  const opened = await traced.opened()
  for (const fault of faults.slice(0, 10)) process.stdout.write(`  ${fault}\n`)
  for (const [words, times] of [...ends].toSorted(([, a], [, b]) => b - a).slice(0, 12))
    process.stdout.write(`    ${String(times).padStart(5)}  ${words}\n`)
  figure(`${name}: ends that are neither ready nor told`, String(faults.length), none(faults.length))
  figure(`${name}: visits of the address that files name`, String(visits), none(visits))
  if (opened === undefined) figure(`${name}: other files opened`, 'not watched: it needs strace and a native ffmpeg')
  else figure(`${name}: other files opened`, String(opened), none(opened))
  figure(`${name}: time, p50 and slowest`, [0.5, 1].map((q) => `${quantile(tookMs, q).toFixed(0)} ms`).join(', '))
  figure(`${name}: memory of all its processes, at most`, `${peakMiB.toFixed(0)} MiB`, {
    text: `under ${MEMORY_MIB_MAX} MiB`,
    met: peakMiB < MEMORY_MIB_MAX,
  })
  figure(`${name}: memory at the end, over that half-way`, `${growth.toFixed(2)}x`, {
    text: `<= ${GROWTH_MAX}x`,
    met: growth <= GROWTH_MAX,
  })
  await rm(folder, { recursive: true, force: true })
}

function none(times: number) {
  return { text: 'none', met: times === 0 }
}

/** How one ends, in words; `fault`: what should never be. */
async function masterOne(bytes: Buffer, ffmpegPath: string): Promise<{ words: string; fault?: string }> {
  const { signal } = new AbortController()
  const userId = 'somebody'
  let madeSeconds = 0
  const objects: Pick<Objects, 'create' | 'readStream'> = {
    create: async (_key, content, contentType) => {
      const sound = content instanceof Readable ? content : Readable.from([content])
      madeSeconds = await durationSeconds(sound, { contentType, userId }, { signal })
      return { generation: '1', sizeBytes: 0, contentType }
    },
    readStream: async () => Readable.from([bytes]),
  }
  // As the transcription measures it; what has no length is an error there, unless a transcriber knows one.
  const about = { contentType: 'audio/mpeg', sizeBytes: bytes.length, userId }
  const recordingSeconds = await durationSeconds(Readable.from([bytes]), about, { signal }).catch(() => undefined)
  const tools = { objects: objects as Objects, ffmpegPath: ffmpegPath === 'wasm' ? undefined : ffmpegPath }
  try {
    await masterHere({ signal, tell: () => undefined }, tools, {
      userId,
      recordingKey: 'recording',
      recordingBytes: bytes.length,
      recordingSeconds,
      introKey: undefined,
      audioKey: 'mastered.mp3',
      targetLufs: -16,
    })
    const isTooLong = madeSeconds > secondsOfSound(bytes.length, recordingSeconds) + 1
    return { words: 'ready', ...(isTooLong && { fault: `${madeSeconds} s of ${recordingSeconds} s` }) }
  } catch (error) {
    if (!(error instanceof NoFallback)) return { words: 'an error of another kind', fault: String(error) }
    const { cause } = error
    const why = cause instanceof NotAudioError ? `: ${cause.message.replace(/0x[0-9a-f]+|\d+/g, 'N')}` : ''
    return { words: `${error.message}${why}`.slice(0, 110) }
  }
}

/** ffmpeg under strace, where both are there: what it opens that it was not given, and whom it calls. */
async function traceOpens(folder: string, program: string) {
  const untraced = { program, opened: async () => undefined as number | undefined }
  if (program === 'wasm') return untraced
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' })
  } catch {
    return untraced
  }
  const [log, script] = [join(folder, 'opened.log'), join(folder, 'traced-ffmpeg')]
  await writeFile(log, '')
  await writeFile(
    script,
    `#!/bin/sh\nexec /usr/bin/strace -D -f -qq -A -o '${log}' -e trace=open,openat,connect -e signal=none '${program}' "$@"\n`,
  )
  await chmod(script, 0o700)
  return {
    program: script,
    opened: async () => {
      const lines = (await readFile(log, 'utf8')).split('\n').filter((line) => !/ENOENT|resumed/.test(line))
      if (!lines.some((line) => line.includes('open'))) return undefined
      return lines.filter((line) => line.includes('canary') || line.includes('connect(')).length
    },
  }
}
