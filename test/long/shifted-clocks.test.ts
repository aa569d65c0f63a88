import { afterAll, beforeAll, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { callSweep, clientOf, paidRequests, processed, settled, SPEECH, startTestCloud, until } from '../e2e/cloud.ts'
import { between, expectUnaided } from '../e2e/healing.ts'

/** Every process of a function has a wall clock that is minutes or hours off; store, queue and storage have another. */
const SLOW_MS = 9_000
const EPISODES = 3
const MINUTE_MS = 60_000

let cloud: LocalCloud
let alice: ApiClient
/** By process, what it said of its clock. */
const told: string[] = []

beforeAll(async () => {
  cloud = await startTestCloud({
    preload: new URL('./shifted-clock.ts', import.meta.url).href,
    instancesPerFunction: 2,
    // A call outlasts several leases, which are renewed meanwhile.
    environment: { STEP_LEASE_SECONDS: '4', STALLED_STEP_THRESHOLD_SECONDS: '30' },
    onLine: (line) => void (line.includes('"clock.off"') && told.push(line)),
  })
  alice = await clientOf(cloud, 'alice')
})
afterAll(() => cloud.stop())

test('healthy calls that are slow are charged once, and no sweep takes them for dead', async () => {
  await cloud.faults.set('gemini', { mode: 'slow', latencyMs: SLOW_MS })
  const episodes = await Promise.all(
    Array.from({ length: EPISODES }, (_, index) => processed(alice, `nobody knows what time it is ${index}`)),
  )
  const ids = episodes.map(({ id }) => id)
  await Promise.all(ids.map((id) => until(alice, id, ({ steps }) => steps.write.state === 'running')))
  const untilMs = performance.now() + SLOW_MS
  let sweeps = 0
  while (performance.now() < untilMs) {
    const { status, json } = await callSweep(cloud)
    expect(status).toBe(200)
    expect(json).toMatchObject({ stuck: 0, requeued: 0, markedError: 0, failed: 0 })
    sweeps++
    await new Promise((resolve) => setTimeout(resolve, 500))
  }
  expect(sweeps).toBeGreaterThan(1)
  for (const id of ids) {
    const { status, steps } = await settled(alice, id)
    expect(status).toBe('ready')
    expect(steps.write.repeatedCalls ?? 0).toBe(0)
    expect(paidRequests(cloud, id)).toMatchObject({ assemblyai: 1, gemini: 1, elevenlabs: 1, auphonic: 1, started: 1 })
    await expectUnaided(cloud, id, { redeliveries: between(0, 2) })
  }
})

test('what people are told is the time of the store, and a link to upload through works', async () => {
  for (let times = 0; times < 4; times++) {
    const { id, createdAt } = await alice.create({ title: 'when?' })
    expect(Math.abs(Date.parse(createdAt) - Date.now())).toBeLessThan(MINUTE_MS)
    await alice.uploadDirectly(id, SPEECH, 'audio/flac')
  }
})

test('each process says once that its clock is wrong', () => {
  expect(told.length).toBeGreaterThan(4)
  const live = cloud.instances?.live().length ?? 0
  expect(told.length).toBeLessThanOrEqual(live)
})
