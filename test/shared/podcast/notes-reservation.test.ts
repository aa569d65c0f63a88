import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'

import { Iam } from '../../../infra/local/iam.ts'
import type { Attempt } from '../../../shared/engine/attempt.ts'
import { NotEntitled } from '../../../shared/engine/failure.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import type { NotesCache } from '../../../shared/podcast/storage.ts'
import type { Writer } from '../../../shared/podcast/ports.ts'
import { write } from '../../../shared/podcast/steps/write.ts'
import type { Tools } from '../../../shared/podcast/tools.ts'
import { ProviderError } from '../../../shared/providers/provider-error.ts'
import type { ProviderErrorKind } from '../../../shared/providers/provider-error.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { startStore } from '../store-fixture.ts'
import { draft } from './episode-fixtures.ts'

/** Whatever ends a call for notes, the next episode with the same words does not wait for it. */

const iam = new Iam()
let store: Awaited<ReturnType<typeof startStore>>
beforeAll(async () => {
  // As a worker, which may do what a deployment grants it, and no more.
  store = await startStore(iam.grpcGate('work'))
})
afterAll(() => store.stop())
afterEach(() => {
  vi.useRealTimers()
  laterMs = 0
})

/** How much later it is than on the wall. */
let laterMs = 0
const now = () => Date.now() + laterMs

const WRITTEN = { title: 'T', description: 'D', chapters: [], tags: [] }

/** What the last episode has asked for. */
let claimedKey = ''

async function writeNotes(
  episodeId: string,
  words: string,
  ask: Writer['writeNotes'],
  signal: AbortSignal,
  told: string[] = [],
) {
  const transcript = { language: 'en', durationSeconds: 1, text: words, words: [{ text: words, startMs: 0, endMs: 1 }] }
  const writer: Writer = { name: 'a-writer', kind: 'call', callsBack: false, version: 'v1', writeNotes: ask }
  const inMemory = { readText: async () => JSON.stringify(transcript), create: async () => undefined }
  const objects = { ...inMemory, within: () => inMemory }
  const real = notesCache(store.access, now)
  const cache: NotesCache = {
    ...real,
    reserve(key, ...others) {
      claimedKey = key
      return real.reserve(key, ...others)
    },
  }
  const tools = { objects, notesCache: cache, writers: [writer] } as unknown as Tools
  const results = { transcribe: { transcriptKey: 't', durationSeconds: 1, wordCount: 1 } }
  const workflow: Episode = { ...draft(), id: episodeId, results }
  const attempt: Attempt<Episode> = {
    workflow,
    name: 'write',
    step: workflow.steps.write,
    provider: writer.name,
    signal,
    call: { signal, correlationId: episodeId, random: () => 0 },
    resumesIntent: false,
    nowMs: now,
    charge: (cost) => ({ attempt: 'a', provider: 'p', cost }),
    tell: (activity) => told.push(activity),
    recordJob: async () => undefined,
  }
  return write.run(attempt, tools)
}

const KINDS: ProviderErrorKind[] = [
  'auth',
  'billing',
  'misconfigured',
  'rate_limited',
  'at_capacity',
  'overloaded',
  'network',
  'timeout',
  'bad_response',
  'unusable',
  'invalid_input',
  'content_blocked',
  'not_found',
  'conflict',
]
const REFUSALS = KINDS.map((kind): [string, Writer['writeNotes']] => [
  kind,
  () => Promise.reject(new ProviderError('a-writer', 'write', { kind, message: 'no' })),
])

test.each<[string, Writer['writeNotes'], aborts?: boolean]>([
  ...REFUSALS,
  ['notes that nobody can read', async () => ({ notes: { ...WRITTEN, title: '' }, cost: {} })],
  ['a lease that could not be renewed', () => Promise.reject(new NotEntitled('lost'))],
  [
    'the end of the request',
    (_material, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      }),
    true,
  ],
])('%s', async (name, ask, aborts = false) => {
  const ended = new AbortController()
  const failed = writeNotes('the-first', name, ask, ended.signal)
  if (aborts) setTimeout(() => ended.abort(new Error('the time is up')), 100)
  await expect(failed).rejects.toBeDefined()
  const told: string[] = []
  const next = await writeNotes(
    'the-next',
    name,
    async () => ({ notes: WRITTEN, cost: {} }),
    new AbortController().signal,
    told,
  )
  expect(next).toMatchObject({ kind: 'done', result: { notes: WRITTEN } })
  expect(told.filter((activity) => activity.startsWith('waiting'))).toEqual([])
  expect(iam.usedPermissions('work')).not.toContain('datastore.entities.delete')
})

describe('a claim', () => {
  const cache = () => notesCache(store.access, now)

  test('of a worker that is not heard of again is another’s after a lease', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    const killed = new Promise<void>((asked) => {
      void writeNotes('killed', 'killed', () => new Promise(() => asked()), new AbortController().signal)
    })
    await killed
    const key = claimedKey
    laterMs = 19_000
    expect(await cache().reserve(key, 'another', 20_000)).toMatchObject({ kind: 'theirs' })
    laterMs = 21_000
    expect(await cache().reserve(key, 'another', 20_000)).toEqual({ kind: 'ours' })
  })

  test('of a worker that is at work lasts as long as its call', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    let answer: (written: Awaited<ReturnType<Writer['writeNotes']>>) => void = () => undefined
    let asked: () => void = () => undefined
    const isAsked = new Promise<void>((resolve) => (asked = resolve))
    const ask: Writer['writeNotes'] = () => {
      asked()
      return new Promise((resolve) => (answer = resolve))
    }
    const writing = writeNotes('busy', 'busy', ask, new AbortController().signal)
    await isAsked
    const key = claimedKey
    for (let heartbeats = 0; heartbeats < 6; heartbeats++) {
      laterMs += 15_000
      vi.advanceTimersByTime(7_000)
      await expect.poll(async () => (await entryOf(key)).untilMs).toBeGreaterThan(now() + 15_000)
      expect(await cache().reserve(key, 'another', 20_000)).toMatchObject({ kind: 'theirs' })
    }
    answer({ notes: WRITTEN, cost: {} })
    await writing
    expect(vi.getTimerCount()).toBe(0)
    expect(await cache().reserve(key, 'another', 20_000)).toMatchObject({ kind: 'found' })
  })

  test('is not renewed once it is over, or another’s', async () => {
    await cache().reserve('k1', 'a', 20_000)
    await cache().release('k1', 'a')
    await cache().renew('k1', 'a', 20_000)
    expect(await cache().reserve('k1', 'b', 20_000)).toEqual({ kind: 'ours' })
    await cache().renew('k1', 'a', 60_000)
    await cache().release('k1', 'a')
    expect(await cache().reserve('k1', 'a', 20_000)).toMatchObject({ kind: 'theirs' })
    expect((await entryOf('k1')).untilMs).toBeLessThan(now() + 21_000)
  })

  test('that many ask for at once is one’s', async () => {
    const names = ['a', 'b', 'c', 'd', 'e', 'f']
    const found = await Promise.all(names.map((name) => cache().reserve('k2', name, 20_000)))
    expect(found.filter(({ kind }) => kind === 'ours')).toHaveLength(1)
  })
})

async function entryOf(key: string): Promise<{ untilMs: number }> {
  const snapshot = await store.access.call('read', (db) => db.collection('notes-cache').doc(key).get())
  return snapshot.data() as { untilMs: number }
}
