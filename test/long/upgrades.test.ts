import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import {
  audioOf,
  callSweep,
  clientOf,
  processed,
  requestsTo,
  settled,
  SPOKEN,
  startTestCloud,
  uploaded,
} from '../e2e/cloud.ts'
import { between, expectUnaided } from '../e2e/healing.ts'

/** Providers that come back, and what becomes of the fallbacks' results. */

let cloud: LocalCloud
let alice: ApiClient
beforeAll(async () => {
  cloud = await startTestCloud({
    environment: { FALLBACK_AFTER_SECONDS: '1', UPGRADE_AFTER_SECONDS: '1', BREAKER_RECOVERY_SECONDS: '2' },
  })
  alice = await clientOf(cloud, 'alice')
})
afterAll(() => cloud.stop())
afterEach(() => cloud.faults.clear())

describe('when the providers are back', () => {
  /** Sweeps until nothing is degraded any more; the episode never stops being ready. */
  async function upgraded(id: string): Promise<EpisodeView> {
    for (let sweeps = 0; sweeps < 60; sweeps++) {
      expect((await callSweep(cloud)).status).toBe(200)
      const episode = await alice.get(id)
      expect(episode.status).toBe('ready')
      if (episode.degraded.length === 0) return episode
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
    throw new Error('not upgraded within half a minute')
  }

  test('their own results take the place of the fallbacks’, each paid for once', async () => {
    for (const target of ['gemini', 'elevenlabs', 'auphonic'] as const) await cloud.faults.set(target, { mode: 'down' })
    const { id } = await processed(alice, 'upgraded')
    const before = await settled(alice, id)
    expect(before.degraded).toEqual(['write', 'voice', 'master'])
    // Still down: the upgrade gives up, and what there is stays.
    await new Promise((resolve) => setTimeout(resolve, 1200))
    await callSweep(cloud)
    await new Promise((resolve) => setTimeout(resolve, 1500))
    expect(await alice.get(id)).toMatchObject({ status: 'ready', degraded: ['write', 'voice', 'master'] })
    await cloud.faults.clear()
    const after = await upgraded(id)
    expect(after.generation).toBeGreaterThan(before.generation)
    await expectUnaided(cloud, id, { waits: between(1, 20), failures: between(1, 3) })
    expect(after.outputs?.notes.title).not.toBe('upgraded')
    for (const step of ['write', 'voice', 'master', 'finish'] as const)
      expect(after.steps[step]).toMatchObject({ state: 'done' })
    const [short, long] = [await audioOf(before), await audioOf(after)]
    expect(long.format.duration).toBeGreaterThan((short.format.duration ?? 0) + 0.5)
    expect(requestsTo(cloud, 'assemblyai', /^\/v2\/transcript$/, id)).toBe(1)
    expect(requestsTo(cloud, 'gemini', /generateContent$/, id)).toBe(1)
    expect(requestsTo(cloud, 'elevenlabs', /text-to-speech/, id)).toBe(1)
    expect(requestsTo(cloud, 'auphonic', /start\.json$/, id)).toBe(1)
    const told = await alice.call<{ history: { what: string; to: string }[] }>(
      'GET',
      `episodes-get?episodeId=${id}&history=1`,
    )
    expect(told.history.filter(({ what }) => what === 'upgrade').map(({ to }) => to)).toEqual(
      expect.arrayContaining(['running', 'given up', 'done']),
    )
  })

  test('an intro is put before sound that the provider has mastered, which is not paid for again', async () => {
    await cloud.faults.set('elevenlabs', { mode: 'down' })
    const { id } = await processed(alice, 'late intro')
    const before = await settled(alice, id)
    expect(before.degraded).toEqual(['voice'])
    await cloud.faults.clear()
    const after = await upgraded(id)
    const [short, long] = [await audioOf(before), await audioOf(after)]
    expect(long.format.duration).toBeGreaterThan((short.format.duration ?? 0) + 0.5)
    // A breaker that is still open when the upgrade is begun ends it until the next.
    await expectUnaided(cloud, id, { waits: between(1, 12), failures: between(0, 3) })
    expect(after.outputs?.notes.chapters.length).toBe(before.outputs?.notes.chapters.length)
    expect(requestsTo(cloud, 'auphonic', /start\.json$/, id)).toBe(1)
    expect(requestsTo(cloud, 'elevenlabs', /text-to-speech/, id)).toBe(1)
  })

  test('nothing is replaced where the owner says no, nor a transcript by hand', async () => {
    await cloud.faults.set('gemini', { mode: 'down' })
    const draft = await uploaded(alice, 'as it is', { upgrade: false })
    await alice.giveTranscript(draft.id, SPOKEN, 'text/plain')
    await alice.act('process', draft.id)
    await settled(alice, draft.id)
    await expectUnaided(cloud, draft.id, { waits: between(1, 6) })
    await cloud.faults.clear()
    await new Promise((resolve) => setTimeout(resolve, 1200))
    await callSweep(cloud)
    await new Promise((resolve) => setTimeout(resolve, 800))
    expect(await alice.get(draft.id)).toMatchObject({
      status: 'ready',
      degraded: ['transcribe', 'write'],
      generation: 1,
    })
    expect(requestsTo(cloud, 'gemini', /generateContent$/, draft.id)).toBe(0)
  })
})
