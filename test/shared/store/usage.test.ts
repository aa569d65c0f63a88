import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { start } from '../../../shared/engine/transitions/owner.ts'
import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { PIPELINE } from '../../../shared/podcast/pipeline.ts'
import { PLANS } from '../../../shared/quotas/plans.ts'
import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
import { perMinute } from '../../../shared/quotas/gcra.ts'
import type { QuotaExceeded } from '../../../shared/quotas/refusals.ts'
import { totals } from '../../../shared/quotas/usage.ts'
import { episodeStore } from '../../../shared/store/episodes.ts'
import type { FirestoreAccess } from '../../../shared/store/firestore.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { sharedRates } from '../../../shared/store/rates.ts'
import { StoreClock } from '../../../shared/store/store-clock.ts'
import { checkRoom, usageStore } from '../../../shared/store/usage.ts'
import { userKey } from '../../../shared/store/user-key.ts'
import { draft } from '../podcast/episode-fixtures.ts'
import { PATIENCE_MS, startStore } from '../store-fixture.ts'
import { testConfig } from '../test-config.ts'

let store: Awaited<ReturnType<typeof startStore>>
beforeAll(async () => (store = await startStore()))
afterAll(() => store.stop())

const LIMITS = { ...PLANS.starter, activeEpisodes: 37, episodesThisMonth: 1000, storageBytes: 1000 }

const RECORDING = { key: 'k', contentType: 'audio/flac', objectGeneration: '1' }
const stores = (count: number) =>
  Array.from({ length: count }, () => episodeStore(store.access, sweepRules(testConfig()), Date.now))
const begin = (current: Episode) => start(PIPELINE, current, {}, Date.now()).next

describe('at the boundary', () => {
  test('exactly as many of 300 concurrent attempts succeed as there is room for, over five instances', async () => {
    const instances = stores(5)
    const [first] = instances
    const ids = Array.from({ length: 300 }, (_, index) => `${index}`.padStart(24, 'b'))
    for (const id of ids) await first?.create({ ...draft({}), id, userId: 'crowd', audio: RECORDING })
    const attempts = ids.map(async (id, index) => {
      await instances[index % 5]?.move(id, (current) => ({ next: begin(current), room: LIMITS }))
    })
    const ended = await Promise.allSettled(attempts)
    const refused = ended.filter((one) => one.status === 'rejected').map(({ reason }) => reason as QuotaExceeded)
    expect(ended.length - refused.length).toBe(37)
    for (const { kind, details } of refused)
      expect([kind, details?.['quota'], details?.['used']]).toEqual(['quota_exceeded', 'activeEpisodes', 37])
    expect(await usageStore(store.access).read('crowd')).toMatchObject({ activeEpisodes: 37, pending: {} })
  })

  test('what has landed unseen is not refused for the room that it has taken', async () => {
    let commits = 0
    const repeating: FirestoreAccess = {
      ...store.access,
      async call(what, work) {
        const result = await store.access.call(what, work)
        return what === 'update episode' && commits++ === 0 ? store.access.call(what, work) : result
      },
    }
    const episodes = episodeStore(repeating, sweepRules(testConfig()), Date.now)
    const id = 'f'.repeat(24)
    await episodes.create({ ...draft({}), id, userId: 'unseen', audio: RECORDING })
    const moved = await episodes.move(id, (current) => ({
      next: current.status === 'draft' ? begin(current) : undefined,
      room: { activeEpisodes: 1 },
    }))
    expect([moved?.next?.status, commits]).toEqual(['processing', 1])
    expect((await usageStore(store.access).read('unseen')).activeEpisodes).toBe(1)
  })
})

describe('counters', () => {
  test('change in the very write that changes the episode, and its reservation ends with it', async () => {
    const usage = usageStore(store.access)
    const episodes = episodeStore(store.access, sweepRules(testConfig()), Date.now)
    const episode = { ...draft({}), id: 'c'.repeat(24), userId: 'counted', audio: RECORDING }
    await episodes.create(episode)
    // As the first release made them.
    const pending = { up: { bytes: 500, untilMs: Date.now() + 60_000 } }
    await store.access.call('put', (db) => db.doc(`usage/${userKey('counted')}`).set({ pending }, { merge: true }))
    expect(totals(await usage.read('counted'), Date.now()).storageBytes).toBe(500)
    await episodes.move(episode.id, (current) => ({
      next: { ...current, audio: { ...episode.audio, sizeBytes: 400 } },
      reservations: ['up'],
    }))
    expect(await usage.read('counted')).toMatchObject({ storageBytes: 400, pending: {} })
    await episodes.move(episode.id, (current) => ({ next: begin(current) }))
    expect(await usage.read('counted')).toMatchObject({ activeEpisodes: 1, storageBytes: 400 })
    await episodes.move(episode.id, (current) => ({ next: { ...current, deletedAtMs: 1 } }))
    expect(await usage.read('counted')).toMatchObject({ activeEpisodes: 0, storageBytes: 0, activeSeconds: 0 })
  })

  test('of a month grow with every episode that is ready, however short it is', async () => {
    const usage = usageStore(store.access)
    const episodes = episodeStore(store.access, sweepRules(testConfig()), Date.now)
    const becomeReady = async (id: string, durationSeconds: number) => {
      await episodes.create({ ...draft({}), id, userId: 'brief' })
      const transcribe = { transcriptKey: 't', durationSeconds, wordCount: 1 }
      await episodes.move(id, (current) => ({
        next: { ...current, status: 'ready', results: { transcribe }, updatedAtMs: Date.UTC(2026, 10, 2) },
      }))
    }
    await becomeReady('d'.repeat(24), 90)
    await becomeReady('e'.repeat(24), 0.3)
    expect((await usage.read('brief')).months['2026-11']).toMatchObject({ episodes: 2, seconds: 90 })
  })
})

describe('without the store', () => {
  const away = async () => {
    throw new ServiceUnavailable('firestore', 'away')
  }
  const broken = { preload: () => undefined, call: away, time: away, clock: new StoreClock() }
  test('no quota lets anybody through, except where there is none', async () => {
    const change = { activeEpisodes: 1 }
    await expect(checkRoom(broken, 'x', { change, room: LIMITS }, Date.now)).rejects.toMatchObject({
      kind: 'unavailable',
      service: 'firestore',
    })
    expect(await checkRoom(broken, 'x', { change, room: PLANS.unlimited }, Date.now)).toBeUndefined()
    expect(await checkRoom(broken, 'x', { change: { activeEpisodes: -1 }, room: LIMITS }, Date.now)).toBeUndefined()
  })

  test('notes are written as if there were no cache', async () => {
    const cache = notesCache(broken, Date.now)
    expect(await cache.reserve('k', 'e', 1000)).toEqual({ kind: 'ours' })
    await cache.keep('k', 'e', { title: 'T', description: 'D', chapters: [], tags: [] })
  })
})

describe('the shared rate', () => {
  test('grants what there is and no more, to twenty at once, by the store’s own clock', async () => {
    const rates = sharedRates(store.access, PATIENCE_MS)
    const sinceMs = Date.now()
    const grants = await Promise.all(Array.from({ length: 20 }, () => rates.trade('rated', perMinute(60), 0, 3)))
    const sum = grants.reduce((all, { taken }) => all + taken, 0)
    expect(sum).toBeGreaterThanOrEqual(10)
    // One comes back each second.
    expect(sum).toBeLessThanOrEqual(11 + (Date.now() - sinceMs) / 1000)
    for (const { nowMs } of grants) {
      expect(nowMs).toBeGreaterThanOrEqual(sinceMs - 1)
      expect(nowMs).toBeLessThanOrEqual(Date.now() + 1)
    }
    expect(await rates.trade('rated', perMinute(60), 3, 0)).toMatchObject({ taken: 0 })
    expect((await rates.trade('rated', perMinute(60), 0, 3)).taken).toBe(3)
  })

  test('is taken from once although the client repeats a commit whose answer was lost', async () => {
    let commits = 0
    const repeating: FirestoreAccess = {
      ...store.access,
      async call(what, work) {
        const result = await store.access.call(what, work)
        return what === 'write rate' && commits++ === 0 ? store.access.call(what, work) : result
      },
    }
    expect(await sharedRates(repeating).trade('repeated', perMinute(60), 0, 4)).toMatchObject({ taken: 4 })
    expect(commits).toBe(1)
    const { taken } = await sharedRates(store.access).trade('repeated', perMinute(60), 0, 10)
    expect(taken).toBeGreaterThanOrEqual(6)
  })
})

describe('notes of the same words', () => {
  const NOTES = { title: 'T', description: 'D', chapters: [], tags: [] }

  test('are written by one, while others wait, and found by all after', async () => {
    const cache = notesCache(store.access, Date.now)
    const claims = await Promise.all(['a', 'b', 'c'].map((episode) => cache.reserve('same', episode, 60_000)))
    expect(claims.map(({ kind }) => kind).toSorted()).toEqual(['ours', 'theirs', 'theirs'])
    const writer = ['a', 'b', 'c'][claims.findIndex(({ kind }) => kind === 'ours')] ?? ''
    expect(await cache.reserve('same', writer, 60_000)).toEqual({ kind: 'ours' })
    await cache.keep('same', writer, NOTES)
    expect(await cache.reserve('same', 'd', 60_000)).toEqual({ kind: 'found', notes: NOTES })
  })

  test('are taken over from a writer that was not heard of again, or that gave up', async () => {
    let nowMs = 1000
    const cache = notesCache(store.access, () => nowMs)
    await cache.reserve('lost', 'a', 500)
    expect(await cache.reserve('lost', 'b', 500)).toEqual({ kind: 'theirs', untilMs: 1500 })
    nowMs = 1500
    expect(await cache.reserve('lost', 'b', 500)).toEqual({ kind: 'ours' })
    // Who has lost the notes to another lifts nothing.
    await cache.release('lost', 'a')
    expect(await cache.reserve('lost', 'c', 500)).toEqual({ kind: 'theirs', untilMs: 2000 })
    await cache.release('lost', 'b')
    expect(await cache.reserve('lost', 'c', 500)).toEqual({ kind: 'ours' })
  })

  test('are taken over by one, should two find at once that their writer is lost', async () => {
    for (let round = 0; round < 10; round++) {
      let nowMs = 1000
      const cache = notesCache(store.access, () => nowMs)
      await cache.reserve(`raced-${round}`, 'a', 500)
      nowMs = 1500
      const both = await Promise.all(['b', 'c', 'd'].map((episode) => cache.reserve(`raced-${round}`, episode, 500)))
      expect(both.map(({ kind }) => kind).toSorted()).toEqual(['ours', 'theirs', 'theirs'])
    }
  })

  test('are there no more when their owner has deleted them', async () => {
    const cache = notesCache(store.access, Date.now)
    await cache.reserve('deleted', 'a', 60_000)
    await cache.keep('deleted', 'a', NOTES)
    await cache.release('deleted', 'a')
    expect(await cache.reserve('deleted', 'b', 60_000)).toEqual({ kind: 'found', notes: NOTES })
    await cache.forget('deleted')
    expect(await cache.reserve('deleted', 'b', 60_000)).toEqual({ kind: 'ours' })
  })
})
