import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { ApiClient } from '../../infra/demo/api-client.ts'
import { clientOf, paidRequests, settled, startTestCloud, uploaded } from './cloud.ts'
import { expectUnaided } from './healing.ts'

/** A provider that refuses everything for an episode's whole life: nobody waits for it. */
let cloud: LocalCloud
let alice: ApiClient

beforeAll(async () => {
  // What an operator would have to mend is mended between the tests.
  const environment = { BREAKER_RECOVERY_SECONDS: '0.3', BREAKER_RAMP_SECONDS: '0', BREAKER_CACHE_TTL_SECONDS: '0.1' }
  cloud = await startTestCloud({ environment })
  alice = await clientOf(cloud, 'alice')
})
afterAll(() => cloud.stop())
afterEach(async () => {
  await cloud.faults.clear()
  // By then its breaker can be probed.
  await new Promise((resolve) => setTimeout(resolve, 600))
})

const REFUSALS = [400, 404, 422]

test('whose chosen voice is refused reads why, and what to do', async () => {
  const options = { intro: { text: 'In a voice that nobody has.', voiceId: 'nobodysVoice00000000' } }
  const { id } = await uploaded(alice, 'nobody speaks', options)
  await alice.act('process', id)
  const episode = await settled(alice, id)
  expect(episode).toMatchObject({ status: 'ready', degraded: ['voice'] })
  expect(episode.steps.voice.degraded).toBe(
    'The spoken intro is left out. The voice you chose cannot be used. Choose another voice, or none.',
  )
})

describe.each([
  ['gemini', ['write']],
  ['elevenlabs', ['voice']],
  ['auphonic', ['master']],
  ['assemblyai', []],
] as const)('an episode that %s refuses', (provider, degraded) => {
  test.each(REFUSALS)('with %i is ready without waiting, degraded where it must be', async (status) => {
    await cloud.faults.set(provider, { mode: 'status', status })
    // Nobody waits for an intro, either.
    const options = provider === 'elevenlabs' ? { intro: { text: `Refused with ${status}.` } } : {}
    const { id } = await uploaded(alice, `${provider} ${status}`, options)
    await alice.act('process', id)
    const episode = await settled(alice, id)
    expect(episode).toMatchObject({ status: 'ready', degraded })
    await expectUnaided(cloud, id, { waits: 0, passedOn: provider === 'assemblyai' ? 1 : 0 })
    if (provider === 'assemblyai') {
      expect(episode.steps.transcribe.provider).toBe('elevenlabs')
      expect(paidRequests(cloud, id).assemblyai).toBeLessThanOrEqual(1)
    }
  })
})
