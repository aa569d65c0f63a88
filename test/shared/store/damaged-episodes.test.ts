import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import type { DocumentData } from '@google-cloud/firestore'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import { DomainError } from '../../../shared/errors/domain-error.ts'
import { newOperationId } from '../../../shared/http/operation.ts'
import { removeEpisode } from '../../../shared/podcast/deletion/remove-episode.ts'
import type { CleanUpTools } from '../../../shared/podcast/clean-up.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import type { OwnerTools } from '../../../shared/podcast/owner/access.ts'
import { readOwned } from '../../../shared/podcast/owner/access.ts'
import { cancelEpisode } from '../../../shared/podcast/owner/cancel.ts'
import { deleteEpisode } from '../../../shared/podcast/owner/delete.ts'
import { retryEpisode } from '../../../shared/podcast/owner/retry.ts'
import { historyOf, viewOf } from '../../../shared/podcast/view.ts'
import { PLANS } from '../../../shared/quotas/plans.ts'
import { episodeStore } from '../../../shared/store/episodes.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { usageStore } from '../../../shared/store/usage.ts'
import { userKey } from '../../../shared/store/user-key.ts'
import { draft, RESULTS, started } from '../podcast/episode-fixtures.ts'
import { MemoryObjects } from '../podcast/memory-objects.ts'
import { seededRandom } from '../seeded-random.ts'
import { startStore } from '../store-fixture.ts'
import { testConfig } from '../test-config.ts'

const DOCUMENTS = fileURLToPath(new URL('../../fixtures/documents/0.1.0/', import.meta.url))
const SAMPLES = readdirSync(DOCUMENTS)
  .filter((file) => file.startsWith('episodes-'))
  .map((file) => (JSON.parse(readFileSync(DOCUMENTS + file, 'utf8')) as { fields: DocumentData }).fields)
const NOW_MS = Date.parse('2026-11-28T00:05:55Z')
const HOUR_MS = 3_600_000
const ALICE = { userId: 'alice', limits: PLANS.standard }

let store: Awaited<ReturnType<typeof startStore>>
let tools: OwnerTools & CleanUpTools
const objects = new MemoryObjects()
let ids = 0

beforeAll(async () => {
  store = await startStore()
  tools = {
    episodes: episodeStore(store.access, sweepRules(testConfig()), () => NOW_MS),
    objects,
    queue: { enqueue: async () => undefined },
    usage: usageStore(store.access, () => NOW_MS),
    notesCache: notesCache(store.access, () => NOW_MS),
    config: testConfig(),
    now: () => NOW_MS,
    random: () => 0.5,
    orphanAgeMs: 0,
    transcribers: [],
    masterings: [],
  }
})
afterAll(() => store.stop())

const operation = () => ({ id: newOperationId(), keyed: true, resumed: false })
const documentOf = (id: string) => store.access.call('look', (db) => db.doc(`episodes/${id}`).get())

async function put(fields: DocumentData): Promise<string> {
  const id = (ids++).toString(16).padStart(24, '0')
  await store.access.call('put', (db) => db.doc(`episodes/${id}`).set({ ...fields, id }))
  return id
}

/** Every place in a document, its maps and arrays as well. */
function placesIn(value: unknown, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path]
  return [
    ...(path.length > 0 ? [path] : []),
    ...Object.entries(value).flatMap(([key, one]) => placesIn(one, [...path, key])),
  ]
}

function damageAt(value: unknown, [key = '', ...rest]: string[], junk: unknown): unknown {
  const copy = Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }
  const map = copy as Record<string, unknown>
  if (rest.length > 0) map[key] = damageAt(map[key], rest, junk)
  else if (junk === undefined && !Array.isArray(copy)) delete map[key]
  else map[key] = junk ?? null
  return copy
}

const JUNK = [undefined, null, 'junk', '', -1, 0.5, true, {}, [], { junk: 1 }, ['junk'], 'x'.repeat(5000)]

/** What of a request: its result, or the error on purpose that it ended with. */
async function endOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
    return 'done'
  } catch (error) {
    if (error instanceof DomainError) return error.name
    throw error
  }
}

async function expectRemoved(id: string): Promise<void> {
  const key = `episodes/${id}/g1/notes.json`
  await objects.create(key, '{}', 'application/json')
  await deleteEpisode(tools, 'alice', id, operation())
  expect(objects.stored.has(key)).toBe(false)
  const later = { ...tools, now: () => NOW_MS + HOUR_MS }
  await removeEpisode(later, id, new AbortController().signal)
  expect((await documentOf(id)).exists).toBe(false)
}

describe('a document that is damaged in one place', () => {
  test('is shown or refused in clear words, hides no other, and can always be deleted', async () => {
    const random = seededRandom(12)
    const pick = <T>(all: readonly T[]): T => all[Math.floor(random() * all.length)] as T
    const ends = new Map<string, number>()
    for (let run = 0; run < 80; run++) {
      const sample = pick(SAMPLES)
      const place = pick(placesIn(sample).filter(([first]) => first !== 'userId' && first !== 'id'))
      const junk = pick(JUNK)
      const id = await put(damageAt(sample, place, junk) as DocumentData)
      const where = { run, place: place.join('.'), junk }
      const got = await endOf(
        readOwned(tools, 'alice', id).then((episode) => JSON.stringify([viewOf(episode), historyOf(episode)])),
      )
      expect({ ...where, got }).toEqual({
        ...where,
        got: expect.stringMatching(/^(done|EpisodeUnreadable|EpisodeNotFound)$/) as string,
      })
      ends.set(got, (ends.get(got) ?? 0) + 1)
      await endOf(cancelEpisode(tools, 'alice', id, operation()))
      await endOf(retryEpisode(tools, ALICE, { episodeId: id }, operation()))
      const { episodes } = await tools.episodes.page({ userId: 'alice', pageSize: 100 })
      expect({ ...where, hidden: episodes.length > 1 }).toEqual({ ...where, hidden: false })
      // One that was deleted before it was damaged is the sweep's to remove.
      if (got === 'EpisodeNotFound') await removeEpisode(tools, id, new AbortController().signal)
      else await expectRemoved(id)
    }
    expect(ends.get('done')).toBeGreaterThan(40)
    expect(await tools.usage.read('alice')).toBeDefined()
  })

  test('is cancelled, retried and finished as if the damage were not there, where it can be left out', async () => {
    const stored: Episode = { ...started().next, userId: 'alice' }
    const id = await put({ ...stored, history: [{ atMs: 1, what: 'episode', to: 'processing', by: 'owner' }, 'junk'] })
    expect((await readOwned(tools, 'alice', id)).history).toHaveLength(1)
    expect((await cancelEpisode(tools, 'alice', id, operation())).status).toBe('cancelled')
    expect((await retryEpisode(tools, ALICE, { episodeId: id }, operation())).status).toBe('processing')
    // The write has replaced what was damaged, and nobody's mark has been stored.
    expect((await documentOf(id)).data()).not.toHaveProperty('leftOut')
    await expectRemoved(id)
  })

  test('leaves nothing in the cache of notes, even where the notes are what is damaged', async () => {
    const notes = { title: 'T', description: 'D', chapters: [], tags: [] }
    await tools.notesCache.keep('kept', 'e', notes)
    const write = { notesKey: 'n', notes: { ...notes, title: '' }, cacheKey: 'kept' }
    const id = await put({ ...draft(), status: 'ready', results: { ...RESULTS, write } })
    expect(viewOf(await readOwned(tools, 'alice', id)).outputs?.notes.description).toBe('D')
    await expectRemoved(id)
    expect(await tools.notesCache.reserve('kept', 'f', 1000)).toEqual({ kind: 'ours' })
  })

  test('has a step done again whose result is lost, by a retry', async () => {
    const done = { state: 'done', attempt: 1, dispatch: 1 } as const
    const steps = { ...draft().steps, transcribe: done, write: done, voice: done, master: done }
    const results = { ...RESULTS, write: 'junk', finish: undefined }
    const { finish: _none, ...kept } = results
    const id = await put({ ...draft(), status: 'error', generation: 1, steps, results: kept })
    const again = await retryEpisode(tools, ALICE, { episodeId: id }, operation())
    expect(again.steps).toMatchObject({ transcribe: done, voice: done, master: done, write: { state: 'pending' } })
    await expectRemoved(id)
  })
})

describe('what is written', () => {
  test('lands only where its own reader can read it', async () => {
    const id = await put(draft())
    const bad = {
      notesKey: 'n',
      notes: { title: 'T', description: 'D', chapters: [{ startSeconds: 0, title: '' }], tags: [] },
    }
    const moved = tools.episodes.move(id, (episode) => ({ next: { ...episode, results: { write: bad } } }))
    await expect(moved).rejects.toMatchObject({ name: 'UnreadableWrite', kind: 'defect' })
    expect((await documentOf(id)).data()?.['results']).toEqual({})
    const created = tools.episodes.create({ ...draft(), id: 'bad', createdAtMs: Number.NaN })
    await expect(created).rejects.toMatchObject({ name: 'UnreadableWrite' })
    expect((await documentOf('bad')).exists).toBe(false)
    await expectRemoved(id)
  })

  test('of usage, notes and keys lands only where its own reader can read it', async () => {
    await tools.notesCache.keep('bad', 'e', { title: '', description: 'D', chapters: [], tags: [] })
    expect(await tools.notesCache.reserve('bad', 'f', 1000)).toEqual({ kind: 'ours' })
    const request = { id: 'r', bytes: 1, lastsMs: Number.NaN }
    await expect(tools.usage.reserve('bob', request, PLANS.starter)).rejects.toMatchObject({ name: 'UnreadableWrite' })
    expect((await tools.usage.read('bob')).pending).toEqual({})
  })

  test('of usage that is damaged is counted on from what can be read', async () => {
    const pending = { good: { bytes: 5, untilMs: NOW_MS + 1000 }, bad: 'junk' }
    await store.access.call('put', (db) => db.doc(`usage/${userKey('carol')}`).set({ storageBytes: 'junk', pending }))
    expect(await tools.usage.read('carol')).toMatchObject({ storageBytes: 0, pending: { good: { bytes: 5 } } })
  })
})
