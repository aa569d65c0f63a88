import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'

import { Faults } from '../../../infra/local/faults.ts'
import { firestoreService } from '../../../infra/local/firestore/service.ts'
import { startEdgeProcess } from './edge-process.ts'
import type { EdgeProcess } from './edge-process.ts'

const faults = new Faults()
const firestore = firestoreService(faults)
let edge: EdgeProcess
let keys = 0

/** A bound, not an expectation. */
const SOON = { timeout: 100_000, interval: 200 }

/** A process that has used the store once: the first call loads Google's client, which may take longer than a call may. */
async function start(): Promise<EdgeProcess> {
  const started = await startEdgeProcess({ environment: { FIRESTORE_EMULATOR_HOST: firestore.address } })
  for (let status = 0; status !== 201;) ({ status } = await effect(newKey(), { name: 'warm' }, { at: started }))
  return started
}
beforeAll(async () => {
  await firestore.start()
  edge = await start()
}, 240_000)
afterAll(async () => {
  await edge.stop()
  firestore.stop()
})

type Result = {
  status: number
  body: { id?: string; times?: number; error?: { code: string; retryable: boolean; error_id: string } }
  headers: Headers
}

async function effect(
  key: string,
  body: Record<string, unknown>,
  more: { user?: string; at?: EdgeProcess; row?: string } = {},
): Promise<Result> {
  const response = await fetch((more.at ?? edge).origin, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: {
      'x-row': more.row ?? 'effect',
      Authorization: `Bearer a.${more.user ?? 'alice'}.c`,
      'Content-Type': 'application/json',
      'Idempotency-Key': key,
    },
  })
  return { status: response.status, body: (await response.json()) as Result['body'], headers: response.headers }
}
const brief = { row: 'brief-effect' }
afterEach(() => faults.clear())
const newKey = () => `key-${keys++}`

// Starting a process, and waiting for the lease of one that died, may take long on a busy machine.
vi.setConfig({ testTimeout: 240_000 })

describe('an Idempotency-Key', () => {
  test('replays its first answer, in whatever order the fields come', async () => {
    const key = newKey()
    const first = await effect(key, { name: 'x', what: '' })
    const again = await effect(key, { what: '', name: 'x' })
    expect(first.status).toBe(201)
    expect(first.headers.get('idempotency-replayed')).toBeNull()
    expect([again.status, again.body, again.headers.get('idempotency-replayed')]).toEqual([201, first.body, 'true'])
  })

  test('with another body is 422', async () => {
    const key = newKey()
    await effect(key, { name: 'x' })
    expect(await effect(key, { name: 'y' })).toMatchObject({
      status: 422,
      body: { error: { code: 'idempotency_mismatch', retryable: false } },
    })
  })

  test('of many at once has one effect; the others hear that it is in progress, or its answer', async () => {
    const key = newKey()
    const results = await Promise.all(Array.from({ length: 20 }, () => effect(key, { name: 'x', ms: 2000 })))
    const done = results.filter(({ status }) => status === 201)
    const busy = results.filter(({ status }) => status === 409)
    expect(done.length + busy.length).toBe(20)
    expect(new Set(done.map(({ body }) => body.id)).size).toBe(1)
    expect(done.every(({ body }) => body.times === 1)).toBe(true)
    expect(busy.length).toBeGreaterThan(0)
    for (const { body, headers } of busy) {
      expect(body.error).toMatchObject({ code: 'request_in_progress', retryable: true })
      expect(headers.get('retry-after')).toBe('1')
    }
    expect((await effect(key, { name: 'x', ms: 2000 })).headers.get('idempotency-replayed')).toBe('true')
  })

  test('keeps an answer that a repeat cannot change', async () => {
    const key = newKey()
    const first = await effect(key, { name: 'x', what: 'refuse' })
    const again = await effect(key, { name: 'x', what: 'refuse' })
    expect(first).toMatchObject({ status: 409, body: { error: { code: 'conflict' } } })
    expect(again.body).toEqual(first.body)
  })

  test('is released by a failure that a repeat can cure, which is then the same operation', async () => {
    const key = newKey()
    expect((await effect(key, { name: 'x', what: 'fail-once' })).status).toBe(503)
    expect(await effect(key, { name: 'x', what: 'fail-once' })).toMatchObject({
      status: 201,
      body: { times: 2, resumed: true },
    })
  })

  test('is released by a deadline, and never answered twice differently', async () => {
    const key = newKey()
    const statuses = new Array<number>()
    while (statuses.length < 4) {
      const { status } = await effect(key, { name: 'x', ms: 1300 }, brief)
      // The try before may still be giving the key back.
      if (status !== 409) statuses.push(status)
    }
    expect(statuses).toEqual([504, 504, 504, 504])
  })

  test("of another user is another key, and so is another function's", async () => {
    const key = newKey()
    const alice = await effect(key, { name: 'x' })
    const bob = await effect(key, { name: 'other' }, { user: 'bob' })
    const elsewhere = await effect(key, { other: true }, { row: 'echo' })
    expect([alice.status, bob.status, elsewhere.status]).toEqual([201, 201, 200])
    expect(bob.body.id).not.toBe(alice.body.id)
  })

  test.each(['', 'x'.repeat(256), 'two words', 'a\tb'])('that is none is refused: %j', async (key) => {
    expect((await effect(key, { name: 'x' })).status).toBe(400)
  })

  test('is refused where it cannot be kept, and nothing is done', async () => {
    await faults.set('firestore', { mode: 'status', status: 503 })
    const key = newKey()
    const before = await effectsSeen()
    const refused = await effect(key, { name: 'x' })
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'service_unavailable', retryable: true } } })
    expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
    expect(await effectsSeen()).toBe(before)
    await faults.clear('firestore')
    // The client library may still land the refused try's claim: then its lease has to end first.
    await expect.poll(async () => (await effect(key, { name: 'x' })).status, SOON).toBe(201)
    expect(await effectsSeen()).toBe(before + 1)
  })

  test('whose process died between effect and record is resumed by another as the same operation', async () => {
    const key = newKey()
    const doomed = await start()
    await effect(key, { name: 'x', what: 'die-once' }, { ...brief, at: doomed }).catch(() => undefined)
    await doomed.exited
    expect((await effect(key, { name: 'x', what: 'die-once' }, brief)).body.error?.code).toBe('request_in_progress')
    await expect.poll(async () => (await effect(key, { name: 'x', what: 'die-once' }, brief)).status, SOON).toBe(201)
    const settled = await effect(key, { name: 'x', what: 'die-once' }, brief)
    expect(settled.body).toMatchObject({ times: 1, resumed: true })
    expect(settled.headers.get('idempotency-replayed')).toBe('true')
  })
})

async function effectsSeen(): Promise<number> {
  const response = await fetch(edge.origin, { headers: { 'x-row': 'state' } })
  return ((await response.json()) as { effects: number }).effects
}
