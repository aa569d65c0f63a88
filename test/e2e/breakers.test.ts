import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf, requestsTo, settled, startTestCloud, until, uploaded } from './cloud.ts'
import { between, expectUnaided } from './healing.ts'

let cloud: LocalCloud
let alice: ApiClient
let admin: string

beforeAll(async () => {
  cloud = await startTestCloud({
    instancesPerFunction: 2,
    environment: { BREAKER_RECOVERY_SECONDS: '4', BREAKER_GCS_RECOVERY_SECONDS: '2', BREAKER_CACHE_TTL_SECONDS: '0.5' },
  })
  alice = await clientOf(cloud, 'alice')
  admin = await cloud.identity.userToken('root', 'admin')
})
afterAll(() => cloud.stop())
afterEach(() => cloud.faults.clear())

type Listed = {
  name: string
  state: string
  mode: string
  reason?: string
  changedBy?: string
  [more: string]: unknown
}

async function breakers(order?: Record<string, unknown>): Promise<Record<string, Listed>> {
  const response = await fetch(`${cloud.functionsBaseUrl}/ops-breakers`, {
    method: order === undefined ? 'GET' : 'POST',
    headers: { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' },
    ...(order && { body: JSON.stringify(order) }),
  })
  const body = (await response.json()) as { breakers?: Listed[] }
  expect([response.status, body]).toEqual([200, { breakers: expect.any(Array) as unknown }])
  return Object.fromEntries((body.breakers ?? []).map((one) => [one.name, one]))
}

describe('an outage of a provider', () => {
  test('opens its breaker; episodes wait, say why, and go on by themselves', async () => {
    await cloud.faults.set('gemini', { mode: 'status', status: 503 })
    const drafts = await Promise.all(Array.from({ length: 6 }, (_, i) => uploaded(alice, `outage ${i}`)))
    await Promise.all(drafts.map(({ id }) => alice.act('process', id)))
    const first = drafts[0]?.id ?? ''
    const waiting = await until(
      alice,
      first,
      ({ steps }) => steps.write.error?.technical_message?.startsWith("Circuit breaker 'gemini' is OPEN") === true,
    )
    expect(waiting).toMatchObject({
      status: 'processing',
      waitingFor: { provider: 'gemini', until: expect.stringMatching(/^\d{4}-/) as string },
      steps: {
        write: {
          state: 'waiting',
          attempt: 1,
          error: {
            code: 'service_unavailable',
            message: 'A service we depend on is temporarily unavailable. Please try again shortly.',
            retryable: true,
          },
        },
      },
    })
    expect((await breakers())['gemini']).toMatchObject({ mode: 'auto', reason: 'failures' })
    const whileDown = requestsTo(cloud, 'gemini', /generateContent$/)
    expect(whileDown).toBeLessThan(20)
    await cloud.faults.clear()
    for (const { id } of drafts) {
      const episode = await settled(alice, id)
      expect(episode).toMatchObject({ status: 'ready', steps: { write: { state: 'done', attempt: 1 } } })
      expect(episode.steps.write).not.toHaveProperty('error')
      await expectUnaided(cloud, id, { waits: between(1, 12) })
    }
  })
})

describe('an operator', () => {
  test('holds a breaker open, for all instances and new ones, with a reason that is kept; and lets it go', async () => {
    await breakers({ name: 'gemini', action: 'open', reason: 'their status page is red' })
    const draft = await uploaded(alice, 'held')
    await alice.act('process', draft.id)
    await until(alice, draft.id, ({ waitingFor }) => waitingFor?.provider === 'gemini')
    expect((await breakers())['gemini']).toMatchObject({
      state: 'open',
      mode: 'forced_open',
      reason: 'their status page is red',
      changedBy: 'root',
      audit: [{ action: 'open', by: 'root', reason: 'their status page is red' }],
    })
    expect(requestsTo(cloud, 'gemini', /generateContent$/, draft.id)).toBe(0)
    await breakers({ name: 'gemini', action: 'close', reason: 'it is green again' })
    expect((await settled(alice, draft.id)).status).toBe('ready')
    await expectUnaided(cloud, draft.id, { waits: between(1, 12) })
    expect((await breakers({ name: 'gemini', action: 'auto', reason: 'done' }))['gemini']).toMatchObject({
      state: 'closed',
      mode: 'auto',
    })
  })

  test('must say why, and which breaker', async () => {
    for (const order of [{ name: 'gemini', action: 'open' }, { name: 'other', action: 'open', reason: 'x' }, {}]) {
      const response = await fetch(`${cloud.functionsBaseUrl}/ops-breakers`, {
        method: 'POST',
        headers: { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' },
        body: JSON.stringify(order),
      })
      expect([response.status, await response.json()]).toMatchObject([400, { error: { code: 'validation_error' } }])
    }
  })
})

describe('storage', () => {
  test('that is held open answers 503 with Retry-After to whom it concerns now', async () => {
    await breakers({ name: 'gcs', action: 'open', forSeconds: 3, reason: 'a test' })
    const draft = await alice.create({ title: 'no storage' })
    const token = await cloud.identity.userToken('alice')
    const response = await fetch(`${cloud.functionsBaseUrl}/episodes-upload?episodeId=${draft.id}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'audio/flac' },
      body: Buffer.alloc(1000),
    })
    expect(response.status).toBe(503)
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await response.json()).toMatchObject({
      error: { code: 'service_unavailable', technical_message: "Circuit breaker 'gcs' is OPEN", retryable: true },
    })
    await breakers({ name: 'gcs', action: 'auto', reason: 'over' })
  })
})
