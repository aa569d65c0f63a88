import type { IncomingMessage } from 'node:http'
import { PassThrough, Readable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'

import { afterEach, describe, expect, test, vi } from 'vitest'

import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
import { SourceFailed } from '../../../shared/podcast/errors.ts'
import type { Objects } from '../../../shared/podcast/storage.ts'
import { describeObject, startSilentStorage } from './silent-storage.ts'

type Storage = Awaited<ReturnType<typeof startSilentStorage>>
let storage: Storage | undefined
afterEach(() => storage?.stop())

async function drain(stream: Readable): Promise<number> {
  let bytes = 0
  for await (const chunk of stream) bytes += (chunk as Buffer).length
  return bytes
}
async function readAll(objects: Objects): Promise<number> {
  return drain(await objects.readStream('recording'))
}
async function listAll(objects: Objects): Promise<void> {
  for await (const page of objects.list('x/')) expect(page).toEqual([])
}

/** Takes a little every now and then. */
function trickleIn(request: IncomingMessage): void {
  request.pause()
  const drip = setInterval(() => request.read(1_000), 50)
  request.once('close', () => clearInterval(drip))
}

const BIG = Buffer.alloc(30_000_000)
const CALLS: readonly (readonly [string, (objects: Objects) => Promise<unknown>])[] = [
  ['create of 1 kB', (objects) => objects.create('a', Buffer.alloc(1_000), 'audio/flac')],
  ['create of 30 MB', (objects) => objects.create('a', BIG, 'audio/flac')],
  ['create of a stream', (objects) => objects.create('a', Readable.from([BIG, BIG]), 'audio/flac')],
  ['stat', (objects) => objects.stat('a')],
  ['readText', (objects) => objects.readText('a')],
  ['readStream', readAll],
  ['list', listAll],
  ['remove', (objects) => objects.remove({ key: 'a' })],
  ['removeAll', (objects) => objects.removeAll('a/')],
]

describe('storage that accepts and never answers', () => {
  test.each(CALLS)('%s ends by itself, as storage that is away, and closes its connection', async (_name, call) => {
    storage = await startSilentStorage(() => undefined)
    const { objects } = storage
    const startedAtMs = performance.now()
    await expect(call(objects)).rejects.toBeInstanceOf(ServiceUnavailable)
    expect(performance.now() - startedAtMs).toBeLessThan(5_000)
    await vi.waitFor(() => expect(storage?.openRequests()).toBe(0), 2_000)
  })

  test.each(CALLS)('%s ends at once when its caller gives up, and closes its connection', async (_name, call) => {
    const reason = new Error('the step is over')
    const over = new AbortController()
    storage = await startSilentStorage(
      (request) => {
        request.resume()
        over.abort(reason)
      },
      { controlMs: 60_000, transfer: { idleMs: 60_000, leastMs: 60_000, bytesPerSecondMin: 1 } },
    )
    await expect(call(storage.objects.within({ signal: over.signal }))).rejects.toBe(reason)
    await vi.waitFor(() => expect(storage?.openRequests()).toBe(0), 2_000)
  })
})

describe('storage that stops in the middle', () => {
  test('of an upload: the writing ends', async () => {
    storage = await startSilentStorage((request) => void request.once('data', () => request.pause()))
    await expect(storage.objects.create('a', BIG, 'audio/flac')).rejects.toBeInstanceOf(ServiceUnavailable)
    await vi.waitFor(() => expect(storage?.openRequests()).toBe(0), 2_000)
  })

  test('of an object: the reading ends with storage’s absence, whoever reads', async () => {
    storage = await startSilentStorage((request, response) => {
      if (!request.url?.includes('alt=media')) return describeObject(response, Buffer.alloc(2_000))
      response.writeHead(200, { 'Content-Length': 2_000 })
      response.write(Buffer.alloc(1_000))
    })
    const { objects } = storage
    await expect(readAll(objects)).rejects.toBeInstanceOf(ServiceUnavailable)
    await expect(objects.readText('a')).rejects.toBeInstanceOf(ServiceUnavailable)
    await vi.waitFor(() => expect(storage?.openRequests()).toBe(0), 2_000)
  })
})

describe('storage that trickles', () => {
  test('an object that comes too slowly for its size is given up, and so is one that is taken too slowly', async () => {
    storage = await startSilentStorage((request, response) => {
      if (request.method === 'POST') return trickleIn(request)
      response.writeHead(200, { 'Content-Length': 50_000_000 })
      const drip = setInterval(() => response.write(Buffer.alloc(100)), 50)
      response.once('close', () => clearInterval(drip))
    })
    const { objects } = storage
    const startedAtMs = performance.now()
    await expect(readAll(objects)).rejects.toBeInstanceOf(ServiceUnavailable)
    expect(performance.now() - startedAtMs).toBeGreaterThan(1_000)
    await expect(objects.create('a', BIG, 'audio/flac')).rejects.toBeInstanceOf(ServiceUnavailable)
    expect(performance.now() - startedAtMs).toBeLessThan(12_000)
  })

  test('one that trickles for a while, and then comes, is read', async () => {
    storage = await startSilentStorage((_request, response) => {
      response.writeHead(200, { 'Content-Length': 5_000_000 })
      let sent = 0
      const drip = setInterval(() => {
        if (sent < 800) response.write(Buffer.alloc(100))
        else {
          clearInterval(drip)
          response.end(Buffer.alloc(5_000_000 - sent))
        }
        sent += 100
      }, 50)
    })
    expect(await readAll(storage.objects)).toBe(5_000_000)
  })
})

describe('who else is waited for', () => {
  test('a reader that takes its time does not make storage silent', async () => {
    storage = await startSilentStorage((_request, response) => {
      response.writeHead(200, { 'Content-Length': BIG.length })
      response.end(BIG)
    })
    const reading = await storage.objects.readStream('recording')
    await sleep(1_500)
    expect(await drain(reading)).toBe(BIG.length)
  })

  test('a source that takes its time does not make storage silent', async () => {
    storage = await startSilentStorage((request, response) => {
      request.resume().once('end', () => describeObject(response, Buffer.from('ab')))
    })
    const source = new PassThrough()
    const stored = storage.objects.create('a', source, 'audio/flac')
    source.write('a')
    await sleep(1_500)
    source.end('b')
    expect(await stored).toMatchObject({ generation: '7' })
  })

  test('a source that fails is told from storage that fails', async () => {
    storage = await startSilentStorage((request) => void request.resume())
    const broken = Readable.from(
      (async function* () {
        yield Buffer.alloc(10)
        throw new Error('it broke off')
      })(),
    )
    await expect(storage.objects.create('a', broken, 'audio/flac')).rejects.toBeInstanceOf(SourceFailed)
    await vi.waitFor(() => expect(storage?.openRequests()).toBe(0), 2_000)
  })
})

test('what is larger than a limit for small things is read whole', async () => {
  const text = 'x'.repeat(4_000_000)
  storage = await startSilentStorage((request, response) => {
    if (!request.url?.includes('alt=media')) return describeObject(response, Buffer.from(text))
    response.writeHead(200, { 'Content-Length': text.length })
    // Twice as long as a call of one answer may take.
    response.write(text.slice(0, 2_000_000))
    setTimeout(() => response.write(text.slice(2_000_000, 3_000_000)), 300)
    setTimeout(() => response.end(text.slice(3_000_000)), 600)
  })
  expect((await storage.objects.readText('a'))?.length).toBe(text.length)
})

test('whoever made a call hears that bytes move', async () => {
  storage = await startSilentStorage((_request, response) => {
    response.writeHead(200, { 'Content-Length': 3_000 })
    let sent = 0
    const drip = setInterval(() => {
      response.write(Buffer.alloc(1_000))
      if (++sent < 3) return
      clearInterval(drip)
      response.end()
    }, 150)
  })
  const onProgress = vi.fn()
  await readAll(storage.objects.within({ onProgress }))
  expect(onProgress.mock.calls.length).toBeGreaterThanOrEqual(2)
})

test.each(CALLS)('storage that refuses every connection is away: %s', async (_name, call) => {
  storage = await startSilentStorage(() => undefined)
  storage.stop()
  await expect(call(storage.objects)).rejects.toBeInstanceOf(ServiceUnavailable)
})
