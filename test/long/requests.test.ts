import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { UNAVAILABLE_BACKOFF } from '../../shared/engine/after-failure.ts'
import { waitsAtMost } from '../../shared/resilience/backoff.ts'
import { clientOf, requestsTo, settled, startTestCloud, uploaded } from '../e2e/cloud.ts'

/** A deadline that somebody can wait for, and breakers that never open: nothing but the waits bounds the requests. */
const DEADLINE_MS = 15_000
let cloud: LocalCloud
beforeAll(async () => {
  cloud = await startTestCloud({
    environment: { EPISODE_DEADLINE_HOURS: String(DEADLINE_MS / 3_600_000), BREAKER_FAILURE_THRESHOLD: '100000' },
  })
})
afterAll(() => cloud.stop())

describe('one operation in a full outage', () => {
  test('makes no more requests than its waits allow, tasks and all, and ends with the reason', async () => {
    const alice = await clientOf(cloud, 'alice')
    await cloud.faults.set('gemini', { mode: 'status', status: 503 })
    await cloud.faults.set('elevenlabs', { mode: 'status', status: 500 })
    const patient = await uploaded(alice, 'patient', { fallbacks: [] })
    const charged = await uploaded(alice, 'charged', { fallbacks: [], intro: { text: 'Hello.' } })
    await Promise.all([patient, charged].map(({ id }) => alice.act('process', id)))
    const [ended, ambiguous] = [await settled(alice, patient.id), await settled(alice, charged.id)]
    expect(ended).toMatchObject({ status: 'error', error: { code: 'service_unavailable', retryable: true } })
    const requests = requestsTo(cloud, 'gemini', /generateContent$/, patient.id)
    expect(requests).toBeGreaterThan(2)
    // The first, and one after each wait that has begun before the deadline.
    expect(requests).toBeLessThanOrEqual(1 + waitsAtMost(UNAVAILABLE_BACKOFF, DEADLINE_MS))
    // A call that may have been charged is made twice at most.
    expect(ambiguous.status).toBe('error')
    expect(requestsTo(cloud, 'elevenlabs', /text-to-speech/, charged.id)).toBeLessThanOrEqual(2)
  })
})
