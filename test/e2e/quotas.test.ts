import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { PLANS } from '../../shared/quotas/plans.ts'
import { clientOf, requestsTo, settled, startTestCloud, until, uploaded } from './cloud.ts'
import { between, expectUnaided } from './healing.ts'

let cloud: LocalCloud
beforeAll(async () => {
  cloud = await startTestCloud({ environment: { DEFAULT_PLAN: 'starter', BREAKER_RECOVERY_SECONDS: '1' } })
})
afterAll(() => cloud.stop())
afterEach(() => cloud.faults.clear())

type UsageAnswer = {
  usage: Record<string, number>
  limits: Record<string, number | null>
  costs: Record<string, Record<string, Record<string, number>>>
}

const usageOf = (client: ApiClient) => client.call<UsageAnswer>('GET', 'usage-get')

describe('usage-get', () => {
  test('shows what is used and allowed, and what it cost; what failed is not counted', async () => {
    const alice = await clientOf(cloud, 'alice')
    expect(await usageOf(alice)).toMatchObject({
      usage: { storageBytes: 0, activeEpisodes: 0, episodesThisMonth: 0, minutesThisMonth: 0 },
      limits: PLANS.starter,
    })
    const draft = await uploaded(alice, 'counted', { intro: { text: 'Counted.' } })
    const { usage } = await usageOf(alice)
    expect(usage).toMatchObject({ activeEpisodes: 0, episodesThisMonth: 0 })
    expect(usage['storageBytes']).toBeGreaterThan(100_000)
    await alice.act('process', draft.id)
    const episode = await settled(alice, draft.id)
    const costs = {
      assemblyai: { jobs: 1, audioSeconds: 11 },
      gemini: { calls: 1, inputTokens: between(1, 1000), outputTokens: between(1, 1000) },
      elevenlabs: { calls: 1, characters: 8 },
      auphonic: { productions: 1, audioSeconds: between(11, 13), creditHours: 0.05 },
    }
    expect(episode).toMatchObject({ status: 'ready', costs })
    await expectUnaided(cloud, draft.id)
    const after = await usageOf(alice)
    expect(after.usage).toMatchObject({ activeEpisodes: 0, episodesThisMonth: 1, minutesThisMonth: 0.2 })
    expect(Object.values(after.costs)).toMatchObject([costs])

    const broken = await alice.create({ title: 'no audio' })
    await alice.upload(broken.id, Buffer.from('this is no recording'), 'audio/mpeg')
    await alice.act('process', broken.id)
    expect((await settled(alice, broken.id)).status).toBe('error')
    expect((await usageOf(alice)).usage).toMatchObject({ activeEpisodes: 0, episodesThisMonth: 1 })

    await alice.delete(draft.id)
    await alice.delete(broken.id)
    expect((await usageOf(alice)).usage).toMatchObject({ storageBytes: 0, episodesThisMonth: 1 })
  })
})

describe('a quota', () => {
  test('of episodes at work refuses the next one with the reason, and lets it in when one has ended', async () => {
    const bob = await clientOf(cloud, 'bob')
    await cloud.faults.set('assemblyai', { mode: 'down' })
    const drafts = await Promise.all(
      Array.from({ length: 7 }, (_, index) => uploaded(bob, `crowd ${index}`, { fallbacks: [] })),
    )
    const answers = await Promise.allSettled(drafts.map(({ id }) => bob.act('process', id)))
    const refused = answers.filter((one) => one.status === 'rejected')
    expect(refused).toHaveLength(2)
    expect(refused[0]?.reason).toMatchObject({
      status: 429,
      envelope: {
        code: 'quota_exceeded',
        message: '5 of at most 5 episodes are being processed. Please try again when one of them is finished.',
        retryable: true,
        details: { quota: 'activeEpisodes', used: 5, limit: 5, asked: 1 },
      },
    })
    expect((await usageOf(bob)).usage).toMatchObject({ activeEpisodes: 5 })
    const working = drafts.find((_draft, index) => answers[index]?.status === 'fulfilled')
    const waiting = drafts.find((_draft, index) => answers[index]?.status === 'rejected')
    await bob.call('POST', 'episodes-cancel', { episodeId: working?.id })
    expect(await bob.act('process', waiting?.id ?? '')).toMatchObject({ status: 'processing' })
    await cloud.faults.clear()
  })

  test('of storage is kept by links, by uploads and by what is deleted', async () => {
    const carol = await clientOf(cloud, 'carol')
    const [first, second, third] = await Promise.all(['a', 'b', 'c'].map((title) => carol.create({ title })))
    const link = (id: string | undefined, sizeBytes: number) =>
      carol.call('POST', 'episodes-upload-url', { episodeId: id, contentType: 'audio/mpeg', sizeBytes })
    await link(first?.id, 5_000_000_000)
    await link(second?.id, 5_000_000_000)
    await expect(link(third?.id, 1_000_000_000)).rejects.toMatchObject({
      status: 429,
      envelope: { code: 'quota_exceeded', details: { quota: 'storageBytes' } },
    })
    expect((await usageOf(carol)).usage['storageBytes']).toBe(10_000_000_000)
  })

  test('is the plan’s of the token, where it names one', async () => {
    const token = await cloud.identity.userToken('dave', undefined, 600, 'standard')
    const dave = new ApiClient(cloud.functionsBaseUrl, token)
    expect((await usageOf(dave)).limits).toMatchObject({ activeEpisodes: 500 })
  })
})

describe('the rate', () => {
  const call = async (token: string) =>
    fetch(`${cloud.functionsBaseUrl}/usage-get`, { headers: { Authorization: `Bearer ${token}` } })

  test('is told with every answer, errors included, and refuses before anything is done', async () => {
    const token = await cloud.identity.userToken('erin')
    const answer = await call(token)
    expect(answer.headers.get('ratelimit-policy')).toBe('"requests";q=600;w=60')
    expect(answer.headers.get('ratelimit')).toMatch(/^"requests";r=\d+;t=\d+$/)
    const missing = await fetch(`${cloud.functionsBaseUrl}/episodes-get?episodeId=${'0'.repeat(24)}`, {
      headers: { Authorization: `Bearer ${token}` },
    })
    expect([missing.status, missing.headers.has('ratelimit')]).toEqual([404, true])

    // Somebody of whose calls no other function has taken any ahead.
    const crowd = await cloud.identity.userToken('crowd')
    const answers = await Promise.all(Array.from({ length: 150 }, () => call(crowd)))
    const refused = answers.filter(({ status }) => status === 429)
    expect(refused.length).toBeGreaterThan(20)
    expect(refused.length).toBeLessThanOrEqual(52)
    const [first] = refused
    expect(first?.headers.get('ratelimit')).toMatch(/^"requests";r=0;t=\d+$/)
    expect(Number(first?.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(await first?.json()).toMatchObject({
      error: {
        code: 'rate_limit_exceeded',
        retryable: true,
        message: expect.stringMatching(/^That was too much at once\. Please wait \d+ seconds?\.$/) as string,
        details: { limit: 600, windowSeconds: 60 },
      },
    })
  })

  test('lets calls through by each instance’s own count while the store is away', async () => {
    const token = await cloud.identity.userToken('frank')
    await cloud.faults.set('firestore', { mode: 'status' })
    const answers = await Promise.all(Array.from({ length: 3 }, () => call(token)))
    // The function itself needs the store; the rate did not refuse it.
    for (const { status, headers } of answers) expect([status, headers.has('ratelimit')]).toEqual([503, true])
  })

  test('is nobody’s who is no user', async () => {
    const live = await fetch(`${cloud.functionsBaseUrl}/ops-live`)
    expect([live.status, live.headers.has('ratelimit')]).toEqual([200, false])
  })
})

describe('the same words', () => {
  test('are paid for once: notes and intro of a second episode come from the first', async () => {
    const grace = await clientOf(cloud, 'grace')
    const options = { intro: { text: 'The same intro.' } }
    const first = await uploaded(grace, 'same', options)
    await grace.act('process', first.id)
    expect(await settled(grace, first.id)).toMatchObject({ status: 'ready' })
    const second = await uploaded(grace, 'same', options)
    await grace.act('process', second.id)
    const episode = await settled(grace, second.id)
    expect(episode).toMatchObject({ status: 'ready', degraded: [] })
    expect([
      requestsTo(cloud, 'gemini', /generateContent$/, second.id),
      requestsTo(cloud, 'elevenlabs', /./, second.id),
    ]).toEqual([0, 0])
    expect(Object.keys((episode as unknown as { costs: object }).costs).toSorted()).toEqual(['assemblyai', 'auphonic'])
    // Unless its owner wants others.
    await grace.call('POST', 'episodes-delete', { episodeId: first.id })
    const third = await uploaded(grace, 'same', options)
    await grace.act('process', third.id)
    await until(grace, third.id, ({ status }) => status === 'ready')
    for (const { id } of [first, second, third]) await expectUnaided(cloud, id)
    expect(requestsTo(cloud, 'gemini', /generateContent$/, third.id)).toBe(1)
  })
})
