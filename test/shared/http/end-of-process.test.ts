import { afterEach, describe, expect, test, vi } from 'vitest'

import { startEdgeProcess } from './edge-process.ts'
import type { EdgeProcess, EdgeProcessOptions } from './edge-process.ts'
import { Envelope, exchange, head, RawClient } from './raw-client.ts'

let started: EdgeProcess | undefined
afterEach(async () => started?.stop())

async function start(options: EdgeProcessOptions = {}): Promise<EdgeProcess> {
  return (started = await startEdgeProcess(options))
}

const hold = head('GET', '/?what=hold', { 'x-row': 'misbehave' })
const post = (row: string) =>
  `${head('POST', '/', { 'x-row': row, Authorization: 'Bearer a.tasks.c', 'Content-Type': 'application/json', 'Content-Length': 2 })}{}`

/** A bound, not an expectation. */
const SOON = { timeout: 60_000, interval: 20 }

async function begun(edge: EdgeProcess): Promise<number> {
  const response = await fetch(edge.origin, { headers: { 'x-row': 'state' } })
  return ((await response.json()) as { begun: number }).begun
}

/** Requests that the process has certainly begun to work on, and works on until it is told to let go. */
async function inFlight(edge: EdgeProcess, count: number): Promise<RawClient[]> {
  const clients = Array.from({ length: count }, () => new RawClient(edge.port).send(hold))
  await expect.poll(() => begun(edge), SOON).toBe(count)
  return clients
}

const saysThat = (edge: EdgeProcess, words: string) => () => edge.lines.some((line) => line.includes(words))

// To start a process alone may take long on a busy machine.
vi.setConfig({ testTimeout: 240_000 })

describe('SIGTERM', () => {
  test('lets what is in flight finish, refuses what comes new, and then ends with 0', async () => {
    const edge = await start()
    const waiting = await inFlight(edge, 5)
    const kept = new RawClient(edge.port).send(head('GET', '/', { 'x-row': 'noop' }))
    expect((await kept.answer())?.status).toBe(200)
    edge.child.kill('SIGTERM')
    await expect.poll(saysThat(edge, 'process.draining'), SOON).toBe(true)

    const refused = await kept.send(head('GET', '/', { 'x-row': 'noop' })).answer()
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
    edge.release()
    for (const client of waiting) expect((await client.answer())?.status).toBe(200)
    expect(await edge.exited).toBe(0)
  })

  // How soon is a matter of virtual time: process-end.test.ts.
  test('ends what takes too long in words', async () => {
    const edge = await start()
    const [client] = await inFlight(edge, 1)
    edge.child.kill('SIGTERM')
    expect((await client?.answer())?.status).toBe(503)
    expect(await edge.exited).toBe(0)
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
    const [innocent] = await inFlight(edge, 1)
    const guilty = await exchange(edge.port, head('GET', '/?what=uncaught&ms=500', { 'x-row': 'misbehave' }))
    expect(guilty?.status).toBe(500)
    expect(Envelope.parse(JSON.parse(guilty?.body ?? '')).error.code).toBe('internal_error')
    edge.release()
    expect((await innocent?.answer())?.status).toBe(200)
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
    expect((await client.answer())?.status).toBe(200)
    edge.child.kill('SIGTERM')
    await expect.poll(saysThat(edge, 'edge-functions: ending'), SOON).toBe(true)
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
