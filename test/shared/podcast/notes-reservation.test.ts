import { afterAll, beforeAll, expect, test } from 'vitest'

import { Iam } from '../../../infra/local/iam.ts'
import type { Attempt } from '../../../shared/engine/attempt.ts'
import { NotEntitled } from '../../../shared/engine/failure.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
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

const WRITTEN = { title: 'T', description: 'D', chapters: [], tags: [] }

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
  const cache = notesCache(store.access, Date.now)
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
    nowMs: Date.now,
    charge: () => undefined,
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
