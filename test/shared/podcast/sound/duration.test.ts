import { Readable } from 'node:stream'
import { setTimeout as wait } from 'node:timers/promises'

import { describe, expect, test, vi } from 'vitest'

import { durationSeconds } from '../../../../shared/podcast/sound/duration.ts'
import { NotAudioError, NotMeasuredError } from '../../../../shared/podcast/sound/not-audio.ts'
import { descendantsOf, isAlive } from '../../processes.ts'
import { processorMs } from '../../processor-time.ts'
import { COSTLY_RECORDINGS, tagOfTitles } from './costly-recordings.ts'
import { noise } from './made-sound.ts'
import { silentMp3 } from './mp3-frames.ts'

const MIB = 1024 * 1024
const CHUNK_BYTES = 64 * 1024
const MP3_SECONDS = (100 * 1152) / 44_100
const never = new AbortController().signal

type Recording = { readonly contentType: string; readonly bytes: Buffer }

/** As storage sends it. */
function streamOf(bytes: Buffer, atEnd?: () => Promise<void>): Readable {
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
      yield bytes.subarray(at, at + CHUNK_BYTES)
      await new Promise(setImmediate)
    }
    await atEnd?.()
  }
  return Readable.from(chunks())
}

function measure(
  { contentType, bytes }: Recording,
  limits: { signal?: AbortSignal; timeMs?: number } = {},
  userId = 'ann',
) {
  const about = { contentType, sizeBytes: bytes.length, userId }
  return durationSeconds(streamOf(bytes), about, { signal: never, ...limits })
}

/** Ogg of Opus: a head, and the page that says where it ends. */
function oggOf(seconds: number): Recording {
  const page = (flags: number, samples: number, content: Buffer) => {
    const head = Buffer.alloc(28)
    head.write('OggS', 0, 'latin1')
    head[5] = flags
    head.writeBigUInt64LE(BigInt(samples), 6)
    head[26] = 1
    head[27] = content.length
    return Buffer.concat([head, content])
  }
  const opusHead = Buffer.from('OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0', 'latin1')
  const opusTags = Buffer.from(`OpusTags${'\0'.repeat(8)}`)
  const parts = [page(2, 0, opusHead), page(0, 0, opusTags), page(4, seconds * 48_000, Buffer.alloc(9))]
  return { contentType: 'audio/ogg', bytes: Buffer.concat(parts) }
}

/** Has a parser at work for half a minute. */
const KEEPS_BUSY: Recording = { contentType: 'audio/mpeg', bytes: Buffer.alloc(6 * MIB, 0xff) }

const processes = () => new Set(descendantsOf(process.pid))

async function gone(pids: Iterable<number>): Promise<void> {
  for (const pid of pids) while (isAlive(pid)) await wait(10)
}

/** What there was at any turn meanwhile. */
async function duringWork<T>(work: Promise<T>) {
  const before = processes()
  const started = new Set<number>()
  let peakBytes = 0
  const look = setInterval(() => {
    for (const pid of processes().difference(before)) started.add(pid)
    peakBytes = Math.max(peakBytes, process.memoryUsage.rss())
  }, 5)
  const [ended] = await Promise.allSettled([work])
  clearInterval(look)
  return { ended, started, peakMiB: peakBytes / MIB }
}

describe('no process is started for', () => {
  const flac = Buffer.concat([Buffer.from('fLaC\x80\0\0\x22', 'latin1'), Buffer.alloc(34)])
  flac.writeUIntBE(8000 << 4, 18, 3)
  flac.writeUInt32BE(12_000, 22)

  test.each([
    ['a plain mp3', { contentType: 'audio/mpeg', bytes: silentMp3(100) }, MP3_SECONDS],
    [
      'an mp3 behind a tag',
      { contentType: 'audio/mpeg', bytes: Buffer.concat([tagOfTitles(MIB), silentMp3(100)]) },
      MP3_SECONDS,
    ],
    ['an mp3 under another name', { contentType: 'audio/mp4', bytes: silentMp3(100) }, MP3_SECONDS],
    ['a wav', { contentType: 'audio/wav', bytes: noise(1.25, 9000) }, 1.25],
    ['a flac that says its length', { contentType: 'audio/flac', bytes: flac }, 1.5],
  ])('%s', async (_name, recording, seconds) => {
    const { ended, started } = await duringWork(measure(recording))
    expect(ended).toMatchObject({ status: 'fulfilled' })
    expect(ended.status === 'fulfilled' && ended.value).toBeCloseTo(seconds, 1)
    expect([...started]).toEqual([])
  })
})

describe('what is costly to parse keeps nobody waiting', () => {
  test.each(Object.entries(COSTLY_RECORDINGS))('%s', async (_name, make) => {
    const [small, large] = [make(2 * MIB), make(6 * MIB)]
    // What is loaded once is not of the file.
    await measure(small, { timeMs: 1 }).catch(() => undefined)
    const rssMiB = process.memoryUsage.rss() / MIB
    let seen: Awaited<ReturnType<typeof duringWork<number>>> | undefined
    const busyMs = await processorMs(async () => {
      seen = await duringWork(measure(large, { timeMs: 3000 }))
    })
    const { ended, started, peakMiB } = seen ?? {}
    if (ended?.status === 'rejected') expect(ended.reason).toBeInstanceOf(NotAudioError)
    else expect(ended?.value).toBeGreaterThan(0)
    // Parsed here, each has hundreds of ms or tens of MiB for a MiB; passed on, some 20 ms.
    expect(busyMs / 6).toBeLessThan(150)
    expect((peakMiB ?? Infinity) - rssMiB).toBeLessThan(60)
    await gone(started ?? [])
  })

  test('and another person’s file is measured meanwhile', async () => {
    const stopped = new AbortController()
    let ended = 0
    const kept = [1, 2, 3].map(() =>
      measure(KEEPS_BUSY, { signal: stopped.signal }).catch(() => {
        ended++
      }),
    )
    expect(await measure(oggOf(3), {}, 'bob')).toBeCloseTo(3, 1)
    expect(ended).toBe(0)
    stopped.abort(new Error('enough'))
    await Promise.all(kept)
  })
})

describe('the process', () => {
  test('ends when nobody wants the length any more', async () => {
    const stopped = new AbortController()
    const before = processes()
    const measuring = measure(KEEPS_BUSY, { signal: stopped.signal })
    while (processes().difference(before).size === 0) await wait(5)
    const started = processes().difference(before)
    stopped.abort(new Error('gone'))
    await expect(measuring).rejects.toThrow('gone')
    await gone(started)
  })

  test('is ended after 20 s of work, and that is told from what is no audio', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const before = processes()
      const measuring = measure(KEEPS_BUSY)
      while (processes().difference(before).size === 0) await new Promise(setImmediate)
      const ended = measuring.catch((error: unknown) => error)
      // It takes none of its input any more, and is waited for.
      while (vi.getTimerCount() === 0) await new Promise(setImmediate)
      vi.advanceTimersByTime(20_000)
      expect(await ended).toBeInstanceOf(NotMeasuredError)
    } finally {
      vi.useRealTimers()
    }
    const page = measure({ contentType: 'audio/mpeg', bytes: Buffer.from('<html>') })
    await expect(page).rejects.toMatchObject({ name: 'NotAudioError' })
  })

  test('has no limit on how long reading the file takes', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    try {
      const { contentType, bytes } = oggOf(3)
      let waits = 0
      const slow = streamOf(bytes, async () => {
        waits++
        vi.advanceTimersByTime(60_000)
      })
      expect(await durationSeconds(slow, { contentType, userId: 'ann' }, { signal: never })).toBeCloseTo(3, 1)
      expect(waits).toBe(1)
    } finally {
      vi.useRealTimers()
    }
  })
})

test('an honest recording of three hours is measured, although its format says no length', async () => {
  const frames = 465_000
  const frame = Buffer.alloc(371, 0x21)
  // ADTS: AAC LC, 44.1 kHz, two channels, and the frame's own size.
  Buffer.from([0xff, 0xf1, 0x50, 0x80, frame.length >> 3, ((frame.length & 7) << 5) | 0x1f, 0xfc]).copy(frame)
  const block = Buffer.alloc(150 * frame.length, frame)
  async function* chunks() {
    for (let sent = 0; sent < frames; sent += 150) {
      yield block
      await new Promise(setImmediate)
    }
  }
  const about = { contentType: 'audio/aac', sizeBytes: frames * frame.length, userId: 'ann' }
  const seconds = await durationSeconds(Readable.from(chunks()), about, { signal: never })
  expect(seconds).toBeCloseTo((frames * 1024) / 44_100, 3)
})

describe('reading that ends early', () => {
  test('has its signal’s reason told, and storage is not blamed for it', async () => {
    const stopped = new AbortController()
    async function* left() {
      for (;;) {
        yield silentMp3(500)
        stopped.abort(new Error('gone'))
        await new Promise(setImmediate)
      }
    }
    const audio = Readable.from(left())
    const about = { contentType: 'audio/mpeg', userId: 'ann' }
    await expect(durationSeconds(audio, about, { signal: stopped.signal })).rejects.toThrow('gone')
    expect(audio.errored).toBeNull()
  })

  test('leaves a broken source its own error', async () => {
    const broken = new Error('storage broke off')
    const { contentType, bytes } = oggOf(3)
    const half = streamOf(bytes.subarray(0, 90), () => Promise.reject(broken))
    await expect(durationSeconds(half, { contentType, userId: 'ann' }, { signal: never })).rejects.toBe(broken)
  })
})
