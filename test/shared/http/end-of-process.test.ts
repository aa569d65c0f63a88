import { afterEach, describe, expect, test } from 'vitest'

import { startEdgeProcess } from './edge-process.ts'
import type { EdgeProcess, EdgeProcessOptions } from './edge-process.ts'
import { Envelope, exchange, head, RawClient } from './raw-client.ts'

let started: EdgeProcess | undefined
afterEach(async () => started?.stop())

async function start(options: EdgeProcessOptions = {}): Promise<EdgeProcess> {
  return (started = await startEdgeProcess(options))
}

const slow = (ms: number) => head('GET', `/?ms=${ms}`, { 'x-row': 'misbehave' })
const post = (row: string) =>
  `${head('POST', '/', { 'x-row': row, Authorization: 'Bearer a.tasks.c', 'Content-Type': 'application/json', 'Content-Length': 2 })}{}`

/** Requests that the process has certainly begun to work on. */
async function inFlight(edge: EdgeProcess, ms: number, count: number): Promise<RawClient[]> {
  const clients = Array.from({ length: count }, () => new RawClient(edge.port).send(slow(ms)))
  await exchange(edge.port, head('GET', '/', { 'x-row': 'noop' }))
  await new Promise((resolve) => setTimeout(resolve, 100))
  return clients
}

describe('SIGTERM', () => {
  test('lets what is in flight finish, refuses what comes new, and then ends with 0', async () => {
    const edge = await start()
    const waiting = await inFlight(edge, 1500, 5)
    const kept = new RawClient(edge.port).send(head('GET', '/', { 'x-row': 'noop' }))
    expect((await kept.answer(5000))?.status).toBe(200)
    edge.child.kill('SIGTERM')
    await expect.poll(() => edge.lines.some((line) => line.includes('process.draining'))).toBe(true)

    const refused = await kept.send(head('GET', '/', { 'x-row': 'noop' })).answer(5000)
    expect([refused?.status, refused?.headers['retry-after'], refused?.headers['connection']]).toEqual([
      503,
      '1',
      'close',
    ])
    expect(Envelope.parse(JSON.parse(refused?.body ?? '')).error).toMatchObject({
      code: 'service_unavailable',
      retryable: true,
    })
    // To a queue a 503 means: slow down. And a provider may count it as its last try.
    for (const row of ['task', 'hook']) {
      const answer = await exchange(edge.port, post(row))
      expect([answer?.status, answer?.headers['retry-after']]).toEqual([500, undefined])
    }
    for (const client of waiting) expect((await client.answer(5000))?.status).toBe(200)
    expect(await edge.exited).toBe(0)
  })

  test('ends what takes too long in words, within the 10 s the platform gives', async () => {
    const edge = await start()
    const [client] = await inFlight(edge, 30_000, 1)
    const sinceMs = Date.now()
    edge.child.kill('SIGTERM')
    expect((await client?.answer(10_000))?.status).toBe(503)
    expect(await edge.exited).toBe(0)
    expect(Date.now() - sinceMs).toBeLessThan(10_000)
  })

  test('ends an idle process at once', async () => {
    const edge = await start()
    edge.child.kill('SIGTERM')
    expect(await edge.exited).toBe(0)
  })
})

describe('an exception nobody caught', () => {
  test('fails its own request, lets the others finish, and ends the process', async () => {
    const edge = await start()
    const [innocent] = await inFlight(edge, 1000, 1)
    const guilty = await exchange(edge.port, head('GET', '/?what=uncaught&ms=500', { 'x-row': 'misbehave' }))
    expect(guilty?.status).toBe(500)
    expect(Envelope.parse(JSON.parse(guilty?.body ?? '')).error.code).toBe('internal_error')
    expect((await innocent?.answer(5000))?.status).toBe(200)
    expect(await edge.exited).toBe(1)
    expect(edge.lines.filter((line) => line.includes('process.uncaught_exception'))).toHaveLength(1)
  })
})

describe('lines of the log', () => {
  test('survive a reader that stalls, and the end of the process meanwhile', async () => {
    const edge = await start({ output: 'unread' })
    const lines = 3000
    const client = new RawClient(edge.port).send(head('GET', `/?what=say&ms=${lines}`, { 'x-row': 'misbehave' }))
    // More than a pipe holds: the process cannot get rid of its lines.
    await new Promise((resolve) => setTimeout(resolve, 500))
    edge.child.kill('SIGTERM')
    await new Promise((resolve) => setTimeout(resolve, 200))
    let text = ''
    edge.child.stdout?.on('data', (chunk: Buffer) => (text += chunk.toString()))
    expect(await edge.exited).toBe(0)
    client.close()
    const said = text.split('\n').filter((line) => line.includes('"event":"said"'))
    expect(said.map((line) => (JSON.parse(line) as { line: number }).line)).toEqual(
      Array.from({ length: lines }, (_, line) => line),
    )
    expect(text).toContain('process.draining')
  })
})

describe('a package that cannot work', () => {
  test('stops at its start and names the variable at fault', async () => {
    const edge = startEdgeProcess({ environment: { MAX_REQUEST_SIZE_BYTES: 'lots' } })
    await expect(edge).rejects.toThrow(/MAX_REQUEST_SIZE_BYTES/)
  })
})
