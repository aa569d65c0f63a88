import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import { newOperationId } from '../../../../shared/http/operation.ts'
import { cachedVoiceKey, episodePrefix } from '../../../../shared/podcast/artefacts.ts'
import { removeLateArrivals } from '../../../../shared/podcast/deletion/late-arrivals.ts'
import type { Episode } from '../../../../shared/podcast/episode.ts'
import type { OwnerTools } from '../../../../shared/podcast/owner/access.ts'
import { deleteEpisode } from '../../../../shared/podcast/owner/delete.ts'
import type { DeletionStore } from '../../../../shared/podcast/stores.ts'
import { deletionStore } from '../../../../shared/store/deletions.ts'
import { draft, RESULTS } from '../episode-fixtures.ts'
import { startRoomCloud } from '../room/cloud.ts'
import type { RoomCloud } from '../room/cloud.ts'
import { ownerTools, sweepOnce } from '../room/instance.ts'

/** What Firestore and Cloud Storage have of an episode during its deletion and after it. */
const MINUTE_MS = 60_000
const NOTES = { title: 'Secret notes', description: 'Secret', chapters: [], tags: [] }

let cloud: RoomCloud
let nowMs = Date.parse('2026-11-28T12:00:00Z')
let tools: OwnerTools
let deletions: DeletionStore
let id: string

beforeAll(async () => (cloud = await startRoomCloud()))
afterAll(() => cloud.stop())
beforeEach(() => {
  nowMs += 48 * 60 * MINUTE_MS
  tools = ownerTools(cloud, () => nowMs)
  deletions = deletionStore(cloud.access)
  id = newOperationId()
})

const remove = () => deleteEpisode(tools, 'alice', id, { id: newOperationId(), keyed: true, resumed: false })
const documentOf = (collection: string) => cloud.access.call('test', (db) => db.collection(collection).doc(id).get())
const lookForLate = () => removeLateArrivals({ deletions, ...tools, now: () => nowMs }, new AbortController().signal)

async function create(more: Partial<Episode> = {}): Promise<void> {
  const episode: Episode = { ...draft({ intro: { text: 'Secret intro' } }), id, userId: 'alice', title: 'Secret title' }
  const results = { ...RESULTS, write: { ...RESULTS.write, notes: NOTES } }
  await tools.episodes.create({ ...episode, status: 'processing', generation: 1, results, ...more })
}

test('its document keeps nothing of its content while it waits, and a record without any takes its place', async () => {
  const { steps } = draft()
  const lease = { token: 't', untilMs: nowMs + 2 * MINUTE_MS }
  const said = { activity: { atMs: 1, what: 'Secret doing' }, degraded: 'Secret reason' }
  await create({ steps: { ...steps, write: { ...steps.write, state: 'running', lease, ...said } } })
  await remove()
  const waiting = (await documentOf('episodes')).data()
  expect(JSON.stringify(waiting)).not.toMatch(/secret/i)
  expect(waiting).toMatchObject({ userId: 'alice', steps: { write: { lease } } })
  expect(await tools.episodes.page({ userId: 'alice', pageSize: 10 })).toEqual({ episodes: [] })
  await expect(remove()).rejects.toMatchObject({ kind: 'not_found' })

  nowMs += 11 * MINUTE_MS
  await sweepOnce(tools)
  expect((await documentOf('episodes')).exists).toBe(true)
  nowMs += 2 * MINUTE_MS
  await sweepOnce(tools)
  expect((await documentOf('episodes')).exists).toBe(false)
  const record = (await documentOf('deletions')).data()
  expect(JSON.stringify(record)).not.toMatch(/secret|alice/i)
  expect(record).toMatchObject({
    episodeId: id,
    deletedAtMs: nowMs - 13 * MINUTE_MS,
    removedAtMs: nowMs,
    arrivedLate: 0,
  })
  expect(record?.['expireAt']).toBeDefined()
})

test('what arrives after it is found by its record, for a day', async () => {
  await create()
  await create({ id: newOperationId() })
  await remove()
  expect((await documentOf('episodes')).exists).toBe(false)
  for (let hours = 0; hours < 24; hours += 6) {
    const name = `${episodePrefix(id)}g1/episode.${hours}`
    const [mine, others] = [cachedVoiceKey('alice', 'hash', id), cachedVoiceKey('alice', 'hash', 'another')]
    for (const key of [name, mine, others]) await tools.objects.create(key, 'late', 'audio/mpeg')
    await tools.notesCache.keep(`notes-${hours}`, id, NOTES)
    await tools.notesCache.reserve('about to be written', id, MINUTE_MS)
    nowMs += 46 * MINUTE_MS
    await lookForLate()
    const stats = await Promise.all([name, mine, others].map((key) => tools.objects.stat(key)))
    expect(stats.map((stat) => stat !== undefined)).toEqual([false, false, true])
    expect((await tools.notesCache.reserve(`notes-${hours}`, 'another', 1)).kind).toBe('ours')
    expect((await tools.notesCache.reserve('about to be written', `another ${hours}`, 1)).kind).toBe('ours')
    nowMs += (6 * 60 - 46) * MINUTE_MS
    await lookForLate()
  }
  expect((await documentOf('deletions')).data()).toMatchObject({ arrivedLate: 16 })
  expect((await documentOf('deletions')).get('lookAgainAtMs')).toBeUndefined()
  expect(await deletions.due(nowMs + 48 * 60 * MINUTE_MS)).toEqual([])
})

test('a record that somebody has damaged stops no look for others', async () => {
  await create()
  await remove()
  await cloud.access.call('test', (db) => db.collection('deletions').doc('damaged').set({ lookAgainAtMs: 1 }))
  const late = `${episodePrefix(id)}late`
  await tools.objects.create(late, 'late', 'audio/mpeg')
  nowMs += 46 * MINUTE_MS
  await lookForLate()
  expect(await tools.objects.stat(late)).toBeUndefined()
})
