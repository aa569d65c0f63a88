import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
import { newOperationId } from '../../../shared/http/operation.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import type { KeptLinks } from '../../../shared/podcast/links.ts'
import { lookAtOwned } from '../../../shared/podcast/owner/access.ts'
import { deleteEpisode } from '../../../shared/podcast/owner/delete.ts'
import { outputLinks } from '../../../shared/podcast/owner/links.ts'
import type { EpisodeAttempt } from '../../../shared/podcast/steps/define-step.ts'
import { finish as finishing } from '../../../shared/podcast/steps/finish.ts'
import type { ReadLink } from '../../../shared/podcast/storage.ts'
import type { Look } from '../../../shared/podcast/stores.ts'
import type { Tools } from '../../../shared/podcast/tools.ts'
import { viewOf } from '../../../shared/podcast/view.ts'
import { changedFields } from '../../../shared/store/changed-fields.ts'
import { episodeStore } from '../../../shared/store/episodes.ts'
import type { FirestoreAccess } from '../../../shared/store/firestore.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { usageStore } from '../../../shared/store/usage.ts'
import { startStore } from '../store-fixture.ts'
import { testConfig } from '../test-config.ts'
import { draft, RESULTS } from './episode-fixtures.ts'
import { MemoryObjects } from './memory-objects.ts'
import { startRoomCloud } from './room/cloud.ts'

const HOUR_MS = 3_600_000

/** Storage that numbers its signatures. */
class CountingObjects extends MemoryObjects {
  override readonly bucket: string
  readonly signed: (ReadLink & { readonly key: string })[] = []

  constructor(bucket = 'here') {
    super()
    this.bucket = bucket
  }

  fails = false

  override async signedRead(key: string, options: ReadLink): Promise<string> {
    if (this.fails) throw new ServiceUnavailable('gcs', 'Nobody signs')
    this.signed.push({ key, ...options })
    return `https://storage.example/${key}?signature=${this.signed.length}&from=${options.fromMs}`
  }
}

let store: Awaited<ReturnType<typeof startStore>>
let objects: CountingObjects
let nextId = 1

beforeAll(async () => {
  store = await startStore()
})
afterAll(() => store.stop())
beforeEach(() => {
  objects = new CountingObjects()
})

/** One instance's store, which remembers nothing of another's. */
const instance = (access: FirestoreAccess = store.access) =>
  episodeStore(access, sweepRules(testConfig()), () => Date.now())

async function ready(title = 'First light'): Promise<string> {
  const id = (nextId++).toString(16).padStart(24, '0')
  const finish = outputsOf(id, 1)
  await instance().create({ ...draft(), id, title, status: 'ready', generation: 1, results: { ...RESULTS, finish } })
  return id
}

function outputsOf(id: string, generation: number) {
  const key = (file: string) => `episodes/${id}/g${generation}/${file}`
  return { audioKey: key('mp3'), transcriptKey: key('json'), vttKey: key('vtt'), srtKey: key('srt') }
}

const get = async (id: string, episodes = instance()) =>
  outputLinks({ objects }, await lookAtOwned({ episodes }, 'alice', id))
const documentOf = (id: string) => store.access.call('look', (db) => db.doc(`episodes/${id}`).get())
const keptLinks = async (id: string): Promise<unknown> => (await documentOf(id)).get('results.finish.links')
const change = (id: string, fields: Record<string, unknown>) =>
  store.access.call('change', (db) => db.doc(`episodes/${id}`).update(fields))

describe('links of a ready episode', () => {
  test('are signed at the first look, and given out again by any instance', async () => {
    const id = await ready()
    const first = await get(id)
    expect(objects.signed.map(({ key }) => key)).toEqual(Object.values(outputsOf(id, 1)))
    for (let look = 0; look < 5; look++) expect(await get(id)).toEqual(first)
    expect(objects.signed).toHaveLength(4)
  })

  test('are no part of what the episode is, nor of what changes it', async () => {
    const id = await ready()
    const before = (await documentOf(id)).data() ?? {}
    await get(id)
    const after = (await documentOf(id)).data() ?? {}
    expect(changedFields(before, after).map(({ path }) => path)).toEqual([['results', 'finish', 'links']])
    const episode = await instance().read(id)
    expect(JSON.stringify(viewOf(episode as Episode))).not.toContain('storage.example')
  })

  test('stand in no way of a change that has been decided before', async () => {
    const id = await ready()
    const worker = instance()
    await worker.move(id, (episode) => ({ next: { ...episode, updatedAtMs: 5 } }))
    await get(id)
    const decisions: number[] = []
    await worker.move(id, (episode) => {
      decisions.push(episode.updatedAtMs)
      return { next: { ...episode, updatedAtMs: 6 } }
    })
    expect((await documentOf(id)).get('updatedAtMs')).toBe(6)
    expect(decisions).toEqual([5, 5])
    await get(id)
    expect(objects.signed).toHaveLength(4)
  })

  test('have half of their life left whenever they are given out, by the clock of the store', async () => {
    const id = await ready()
    const look = await lookAtOwned({ episodes: instance() }, 'alice', id)
    const at = async (atMs: number) => {
      const { episode } = await lookAtOwned({ episodes: instance() }, 'alice', id)
      return outputLinks({ objects }, { ...look, episode, atMs })
    }
    const fromMs = Math.floor(look.atMs / 1000) * 1000
    const first = await outputLinks({ objects }, look)
    expect(objects.signed[0]).toMatchObject({ fromMs, seconds: 7200, downloadName: 'first-light.mp3' })
    expect(await at(fromMs + HOUR_MS)).toEqual(first)
    expect(objects.signed).toHaveLength(4)
    const second = await at(fromMs + HOUR_MS + 1)
    expect(objects.signed).toHaveLength(8)
    expect(second).not.toEqual(first)
    expect(objects.signed[4]?.fromMs).toBe(fromMs + HOUR_MS)
  })

  test('never lead to what a later result has replaced, nor bear a name it no longer has', async () => {
    const id = await ready()
    await get(id)
    await instance().move(id, (episode) => ({
      next: { ...episode, generation: 2, results: { ...episode.results, finish: outputsOf(id, 2) } },
    }))
    expect((await get(id))?.audioUrl).toContain('/g2/mp3')
    expect(objects.signed).toHaveLength(8)
    await instance().move(id, (episode) => ({ next: { ...episode, title: 'Last light' } }))
    await get(id)
    expect(objects.signed.at(-1)?.downloadName).toBe('last-light.srt')
    expect(objects.signed).toHaveLength(12)
  })

  test('are not kept for an episode that has changed since it was looked at', async () => {
    const id = await ready()
    const look = await lookAtOwned({ episodes: instance() }, 'alice', id)
    await instance().move(id, (episode) => ({
      next: { ...episode, results: { ...episode.results, finish: outputsOf(id, 2) } },
    }))
    expect((await outputLinks({ objects }, look))?.audioUrl).toContain('/g1/mp3')
    expect(await keptLinks(id)).toBeUndefined()
    expect((await get(id))?.audioUrl).toContain('/g2/mp3')
  })

  test('do not lead to where the files were before', async () => {
    const id = await ready()
    await get(id)
    objects = new CountingObjects('elsewhere')
    await get(id)
    await get(id)
    expect(objects.signed).toHaveLength(4)
  })

  test('that two instances sign at once are all good, and one set of them is kept', async () => {
    const id = await ready()
    const looks = await Promise.all([1, 2].map(() => lookAtOwned({ episodes: instance() }, 'alice', id)))
    const given = await Promise.all(looks.map((look) => outputLinks({ objects }, look)))
    expect(objects.signed).toHaveLength(8)
    expect(given).toContainEqual(await get(id))
    expect(objects.signed).toHaveLength(8)
  })

  test('are given out when they cannot be kept', async () => {
    const id = await ready()
    const away: FirestoreAccess = {
      ...store.access,
      call: (what, work) =>
        what === 'keep links'
          ? Promise.reject(new ServiceUnavailable('firestore', 'The store is away'))
          : store.access.call(what, work),
    }
    expect((await get(id, instance(away)))?.audioUrl).toContain('/g1/mp3')
    expect(await keptLinks(id)).toBeUndefined()
  })

  test.each([
    ['nothing', null],
    ['no map', 'junk'],
    ['no links', { seal: 'x', untilMs: 1, urls: {} }],
  ])('are made again where %s is kept', async (_what, links) => {
    const id = await ready()
    await change(id, { 'results.finish.links': links })
    const episode = await instance().read(id)
    expect(episode).not.toHaveProperty('leftOut')
    const given = await get(id)
    expect(objects.signed).toHaveLength(4)
    expect(await get(id)).toEqual(given)
    expect(objects.signed).toHaveLength(4)
  })

  test.each([
    ['another end', { 'results.finish.links.untilMs': 9e15 }],
    ['another link', { 'results.finish.links.urls.vttUrl': 'https://storage.example/other' }],
    ['another seal', { 'results.finish.links.seal': 'x' }],
  ])('are made again where they have %s than was kept', async (_what, damage) => {
    const id = await ready()
    const first = await get(id)
    await change(id, damage)
    expect(await get(id)).not.toEqual(first)
    expect(objects.signed).toHaveLength(8)
  })

  test('go with the episode, and none are kept for one that is being deleted', async () => {
    const id = await ready()
    const tools = {
      episodes: instance(),
      objects,
      queue: { enqueue: async () => undefined },
      usage: usageStore(store.access),
      notesCache: notesCache(store.access, Date.now),
      config: testConfig(),
      now: Date.now,
    }
    // A provider knows of it, so that the document stays until the sweep has been there.
    await instance().move(id, (episode) => ({
      next: { ...episode, jobs: [{ step: 'master', provider: 'auphonic', id: 'j', token: 't' }] as never },
    }))
    await get(id)
    const late: Look = await lookAtOwned({ episodes: instance() }, 'alice', id)
    await deleteEpisode(tools, 'alice', id, { id: newOperationId(), keyed: true, resumed: false })
    const links = { ...(late.episode.results.finish?.links as KeptLinks), seal: 'late' }
    await late.keepLinks(links)
    const document = await documentOf(id)
    expect(document.exists).toBe(true)
    expect(document.get('results.finish.links')).toBeUndefined()
  })
})

test('an episode that is not ready has no links, and none are kept', async () => {
  const { id } = { ...draft(), id: (nextId++).toString(16).padStart(24, '0') }
  await instance().create({ ...draft(), id })
  expect(await get(id)).toBeUndefined()
  expect(objects.signed).toEqual([])
  expect(await keptLinks(id)).toBeUndefined()
})

test('a real signature holds from the second of the look on for two hours, whatever this machine says', async () => {
  const atMs = Date.parse('2031-05-06T07:08:09.987Z')
  const cloud = await startRoomCloud(() => atMs)
  try {
    const finish = outputsOf('real', 1)
    await cloud.objects.create(finish.audioKey, 'sound', 'audio/mpeg')
    const episode = { ...draft(), status: 'ready', results: { ...RESULTS, finish } } as const
    const look = { episode, atMs, keepLinks: async () => undefined }
    const url = new URL((await outputLinks(cloud, look))?.audioUrl ?? '')
    expect(url.searchParams.get('X-Goog-Date')).toBe('20310506T070809Z')
    expect(url.searchParams.get('X-Goog-Expires')).toBe('7200')
    expect(await (await fetch(url)).text()).toBe('sound')
    // This machine is three hours fast.
    const early = await outputLinks(cloud, { ...look, atMs: Math.floor(Date.now() / 1000) * 1000 - 3 * HOUR_MS })
    const parameters = new URL(early?.audioUrl ?? '').searchParams
    const signedAt = parameters.get('X-Goog-Date') ?? ''
    expect(parameters.get('X-Goog-Expires')).toBe('7200')
    expect(signedAt < new Date(Date.now() - 2 * HOUR_MS).toISOString().replace(/[-:]|\.\d+/g, '')).toBe(true)
  } finally {
    await cloud.stop()
  }
})

describe('finishing', () => {
  /** What finishing makes of an episode, with a store's clock of its own. */
  async function finished(id: string, nowMs: number) {
    await objects.create('m', 'sound', 'audio/mpeg')
    await objects.create('t', JSON.stringify({ language: 'en', durationSeconds: 2, text: '', words: [] }), 'text/json')
    const { finish: _none, ...results } = RESULTS
    const workflow = { ...draft(), id, generation: 1, results }
    const { signal } = new AbortController()
    const attempt = { workflow, name: 'finish', signal, call: { signal }, nowMs: () => nowMs }
    const ended = await finishing.run(attempt as unknown as EpisodeAttempt, { objects } as unknown as Tools)
    if (ended.kind !== 'done') throw new Error(`finishing ended as ${ended.kind}`)
    await instance().create({ ...draft(), id, status: 'ready', results: { ...results, finish: ended.result } })
    return ended.result
  }
  const newId = () => (nextId++).toString(16).padStart(24, '0')

  test('signs them, so that nobody does who looks within the hour', async () => {
    const id = newId()
    await finished(id, Date.now())
    expect(objects.signed).toHaveLength(4)
    expect((await get(id))?.srtUrl).toContain(`episodes/${id}/g1/episode.srt`)
    expect(objects.signed).toHaveLength(4)
  })

  test.each([
    ['fast', 3 * HOUR_MS],
    ['slow', -3 * HOUR_MS],
  ])('by a clock that is %s signs in vain', async (_what, offsetMs) => {
    const id = newId()
    await finished(id, Date.now() + offsetMs)
    await get(id)
    expect(objects.signed).toHaveLength(8)
    await get(id)
    expect(objects.signed).toHaveLength(8)
  })

  test('needs no signature', async () => {
    const id = newId()
    objects.fails = true
    expect(await finished(id, Date.now())).not.toHaveProperty('links')
    objects.fails = false
    expect(await get(id)).toBeDefined()
  })
})
