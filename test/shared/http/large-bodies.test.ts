import { IncomingMessage } from 'node:http'

import { describe, expect, test } from 'vitest'
import * as z from 'zod'

import { inputParsing } from '../../../shared/http/input.ts'
import { exchangeOf, incoming } from './exchange-fixture.ts'

const KIB = 1024
const CHUNK = Buffer.alloc(64 * KIB, 'x')
const CHUNKS = 6
const BODIES = 1_000
/** So many large ones of 1 MiB are what an instance of 512 MiB can spare, parsed and all. */
const IN_MEMORY = 8
/** What a stream is asked for more with. */
const READ = '_read'

/** Requests that send as fast as they are read, and how much has been read of all of them. */
function senders(headers: Record<string, string | number>) {
  const world = { readBytes: 0, finished: 0 }
  const requests = Array.from({ length: BODIES }, () => {
    let sent = 0
    const request = incoming(headers)
    const read = (size: number) => {
      // Node's own, which remembers that it was asked.
      IncomingMessage.prototype[READ].call(request, size)
      if (sent === CHUNKS) return
      sent++
      world.readBytes += CHUNK.length
      setImmediate(() => request.push(CHUNK))
    }
    return Object.assign(request, { [READ]: read })
  })
  return { world, requests }
}

const end = (request: IncomingMessage) => {
  request.complete = true
  request.push(null)
}

/** Until nothing moves any more. */
async function settle(world: { readBytes: number; finished: number }): Promise<void> {
  for (let still = 0, before = ''; still < 5; still++) {
    await new Promise((resolve) => setImmediate(resolve))
    const now = JSON.stringify(world)
    if (now !== before) still = 0
    before = now
  }
}

describe('1,000 large bodies at once', () => {
  test.each([
    ['declared', { 'Content-Length': CHUNKS * CHUNK.length }, 0],
    // Until it is known to be large, a body without a length is read like a small one.
    ['chunked', { 'Transfer-Encoding': 'chunked' }, 3 * CHUNK.length],
  ])(
    'are in memory eight at a time, the others wait in their sockets, and all are read (%s)',
    async (_how, headers, freeBytes) => {
      const { world, requests } = senders(headers)
      const stop = new AbortController()
      let mostBytes = 0
      const reads = requests.map((request) =>
        exchangeOf(request).body.read('ann', stop.signal, (bytes) => {
          world.finished++
          world.readBytes -= bytes.length
        }),
      )
      const waiting = new Set(requests)
      while (waiting.size > 0) {
        await settle(world)
        mostBytes = Math.max(mostBytes, world.readBytes)
        for (const request of waiting)
          if (request.readableFlowing === true) {
            waiting.delete(request)
            end(request)
          }
      }
      await Promise.all(reads)
      expect(world.finished).toBe(BODIES)
      expect(mostBytes).toBeLessThanOrEqual(IN_MEMORY * CHUNKS * CHUNK.length + (BODIES - IN_MEMORY) * freeBytes)
    },
  )

  test('and what the schema leaves out of them is forgotten before the handler runs', async () => {
    const junk = 'y'.repeat(900 * KIB)
    const request = incoming({
      'Content-Type': 'application/json',
      'Transfer-Encoding': 'chunked',
      'Idempotency-Key': 'k',
    })
    request.push(JSON.stringify({ kept: 'x', junk }))
    end(request)
    const exchange = exchangeOf(request, { schema: z.object({ kept: z.string() }) })
    let large: string[] | undefined
    await inputParsing(exchange, async () => {
      large = largeStrings(exchange)
      return { status: 200 }
    })
    expect(exchange.input).toEqual({ kept: 'x' })
    expect(large).toEqual([])
  })
})

/** Where an object still holds text of some size. */
function largeStrings(root: object): string[] {
  const found: string[] = []
  const seen = new Set<unknown>()
  const look = (value: unknown, path: string) => {
    if (typeof value === 'string' && value.length > 64 * KIB) found.push(path)
    if (typeof value !== 'object' || value === null || seen.has(value)) return
    seen.add(value)
    if (Buffer.isBuffer(value)) return void (value.length > 64 * KIB && found.push(path))
    for (const [name, inner] of Object.entries(value)) look(inner, `${path}.${name}`)
  }
  look(root, 'exchange')
  return found
}
