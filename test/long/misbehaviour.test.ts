import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf, paidRequests, requestsTo, settled, startTestCloud, until, uploaded } from '../e2e/cloud.ts'
import { between, expectUnaided } from '../e2e/healing.ts'

let cloud: LocalCloud
let alice: ApiClient

beforeAll(async () => {
  // Short leases, polls and waits, so that a takeover takes seconds, and so does the repeat of a call that was lost.
  cloud = await startTestCloud({
    environment: {
      STEP_LEASE_SECONDS: '3',
      SAFETY_POLL_SECONDS: '3',
      BREAKER_RECOVERY_SECONDS: '2',
      FALLBACK_AFTER_SECONDS: '8',
    },
  })
  alice = await clientOf(cloud, 'alice')
})
afterAll(() => cloud.stop())
afterEach(() => cloud.faults.clear())

describe('deliveries', () => {
  test('of every task a second time change nothing and cost nothing', async () => {
    const draft = await uploaded(alice, 'redelivered', { intro: { text: 'Hello.' } })
    await alice.act('process', draft.id)
    const before = await settled(alice, draft.id)
    await expectUnaided(cloud, draft.id)
    const paid = paidRequests(cloud, draft.id)
    const tasks = new Set(cloud.journal.of('tasks').flatMap(({ task }) => (task?.includes(draft.id) ? [task] : [])))
    expect(tasks.size).toBeGreaterThanOrEqual(7)
    for (const task of tasks) {
      const answer = await fetch(`${cloud.origin}/__local/redeliver`, {
        method: 'POST',
        body: JSON.stringify({ task }),
      })
      expect(await answer.json()).toEqual({ status: 200 })
    }
    expect(paidRequests(cloud, draft.id)).toEqual(paid)
    expect((await alice.get(draft.id)).updatedAt).toBe(before.updatedAt)
    await expectUnaided(cloud, draft.id, { redeliveries: tasks.size })
  })
})

describe('webhooks', () => {
  test.each(['webhook-lost', 'webhook-twice'] as const)('%s: the episode finishes all the same', async (mode) => {
    await cloud.faults.set('assemblyai', { mode })
    await cloud.faults.set('auphonic', { mode })
    const draft = await uploaded(alice, mode)
    await alice.act('process', draft.id)
    expect((await settled(alice, draft.id)).status).toBe('ready')
    expect(paidRequests(cloud, draft.id)).toMatchObject({ assemblyai: 1, auphonic: 1, started: 1 })
    await expectUnaided(cloud, draft.id)
  })
})

describe('a provider that cannot be used', () => {
  test('is waited for, visibly, and costs no attempt', async () => {
    await cloud.faults.set('gemini', { mode: 'throttle', retryAfterSeconds: 2, times: 2 })
    const draft = await uploaded(alice, 'throttled')
    await alice.act('process', draft.id)
    const waiting = await until(alice, draft.id, ({ waitingFor }) => waitingFor !== undefined)
    expect(waiting).toMatchObject({
      status: 'processing',
      waitingFor: { provider: 'gemini' },
      steps: { write: { state: 'waiting', attempt: 1 } },
    })
    const episode = await settled(alice, draft.id)
    expect(episode).toMatchObject({ status: 'ready', steps: { write: { attempt: 1 } } })
    expect(episode).not.toHaveProperty('waitingFor')
    expect(requestsTo(cloud, 'gemini', /generateContent$/, draft.id)).toBe(3)
    await expectUnaided(cloud, draft.id, { waits: 2 })
  })

  test.each(['down', 'reset', 'malformed', 'truncate', 'auth', 'billing'] as const)(
    '%s, then back: the episode finishes',
    async (mode) => {
      await cloud.faults.set('gemini', { mode, ...(mode !== 'down' && { times: 1 }) })
      const draft = await uploaded(alice, mode)
      await alice.act('process', draft.id)
      await until(alice, draft.id, ({ steps }) => steps.write.state !== 'pending')
      if (mode === 'down') {
        await until(alice, draft.id, ({ waitingFor }) => waitingFor?.provider === 'gemini')
        await cloud.faults.clear()
      }
      expect((await settled(alice, draft.id)).status).toBe('ready')
      await expectUnaided(cloud, draft.id, { waits: between(0, 6), failures: between(0, 1) })
    },
  )

  test('ends a paid step after one repeat of a call whose end nobody saw', async () => {
    await cloud.faults.set('gemini', { mode: 'reset' })
    const draft = await uploaded(alice, 'ambiguous', { fallbacks: [] })
    await alice.act('process', draft.id)
    const episode = await settled(alice, draft.id)
    expect(episode).toMatchObject({ status: 'error', error: { code: 'attempts_exhausted', retryable: true } })
    expect(requestsTo(cloud, 'gemini', /generateContent$/, draft.id)).toBe(2)
  })

  test('takes the fallback after one repeat, where it may', async () => {
    await cloud.faults.set('gemini', { mode: 'reset' })
    const draft = await uploaded(alice, 'ambiguous, and done without')
    await alice.act('process', draft.id)
    expect(await settled(alice, draft.id)).toMatchObject({ status: 'ready', degraded: ['write'] })
    expect(requestsTo(cloud, 'gemini', /generateContent$/, draft.id)).toBe(2)
    await expectUnaided(cloud, draft.id, { waits: 1 })
  })
})

describe('storage', () => {
  test('failing a few times stops no episode', async () => {
    const draft = await uploaded(alice, 'flaky')
    await alice.act('process', draft.id)
    await until(alice, draft.id, ({ steps }) => steps.transcribe.state === 'done')
    await cloud.faults.set('gcs', { mode: 'status', status: 503, times: 3 })
    expect((await settled(alice, draft.id)).status).toBe('ready')
    // Whoever masters may be the one that could not fetch from it: its production is made anew.
    await expectUnaided(cloud, draft.id, { waits: between(0, 3), failures: between(0, 1) })
  })
})
