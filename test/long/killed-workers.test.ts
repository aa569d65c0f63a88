import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { StepName } from '../../shared/podcast/pipeline.ts'
import { clientOf, paidRequests, settled, startTestCloud, until, uploaded } from '../e2e/cloud.ts'
import { between, expectUnaided, linesOf } from '../e2e/healing.ts'

let cloud: LocalCloud
let alice: ApiClient

beforeAll(async () => {
  // Short leases and polls, so that a takeover takes seconds.
  cloud = await startTestCloud({ environment: { STEP_LEASE_SECONDS: '3', SAFETY_POLL_SECONDS: '3' } })
  alice = await clientOf(cloud, 'alice')
})
afterAll(() => cloud.stop())
afterEach(() => cloud.faults.clear())

/** Ends every process of a work function at once, as a crash or an eviction would. */
function kill(name: string): number {
  const victims = cloud.instances?.live().filter((instance) => instance.name === name) ?? []
  for (const { process } of victims) process.kill('SIGKILL')
  return victims.length
}

describe('a worker killed while it holds its step', () => {
  test.each<[StepName, string]>([
    ['transcribe', 'assemblyai'],
    ['write', 'gemini'],
    ['voice', 'elevenlabs'],
    ['master', 'auphonic'],
    ['finish', 'gcs'],
  ])('%s: the episode finishes, and nothing is paid twice that need not be', async (step, target) => {
    const draft = await uploaded(alice, `killed in ${step}`, { intro: { text: `Hello, ${step}.` } })
    if (step !== 'finish') await cloud.faults.set(target as 'gcs', { mode: 'slow', latencyMs: 1500, times: 1 })
    await alice.act('process', draft.id)
    if (step === 'finish') {
      await until(alice, draft.id, ({ steps }) => steps.write.state === 'done')
      await cloud.faults.set('gcs', { mode: 'slow', latencyMs: 1500 })
    }
    await until(alice, draft.id, ({ steps }) => steps[step].state === 'running')
    // An attempt that dies before it says that it has begun is counted by nobody.
    const lines = () => linesOf(cloud).of(draft.id)
    const begun = () => lines().some((line) => line.event === 'step.started' && line.step === step)
    await expect.poll(begun, { timeout: 5_000, interval: 20 }).toBe(true)
    expect(kill(`work-${step}`)).toBe(1)
    await cloud.faults.clear()
    const episode = await settled(alice, draft.id)
    expect(episode.status).toBe('ready')
    // The attempt that was killed is lost; its task comes again until the lease has run out.
    await expectUnaided(cloud, draft.id, { attemptsLost: 1, redeliveries: between(1, 6), waits: between(0, 2) })
    const paid = paidRequests(cloud, draft.id)
    expect(paid).toMatchObject({ assemblyai: 1, auphonic: 1, started: 1 })
    const repeats = {
      gemini: episode.steps.write.repeatedCalls ?? 0,
      elevenlabs: episode.steps.voice.repeatedCalls ?? 0,
    }
    expect(paid.gemini).toBeLessThanOrEqual(1 + repeats.gemini)
    expect(paid.elevenlabs).toBeLessThanOrEqual(1 + repeats.elevenlabs)
    expect(Math.max(repeats.gemini, repeats.elevenlabs)).toBeLessThanOrEqual(1)
  })
})
