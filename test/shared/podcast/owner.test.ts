import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import { cancelEpisode } from '../../../shared/podcast/owner/cancel.ts'
import { createEpisode } from '../../../shared/podcast/owner/create.ts'
import { deleteEpisode } from '../../../shared/podcast/owner/delete.ts'
import { processEpisode } from '../../../shared/podcast/owner/process.ts'
import { retryEpisode } from '../../../shared/podcast/owner/retry.ts'
import { giveTranscript } from '../../../shared/podcast/owner/transcript.ts'
import type { OwnerTools } from '../../../shared/podcast/owner/access.ts'
import type { EpisodeStore } from '../../../shared/podcast/stores.ts'
import { asHttpError } from '../../../shared/http/http-error.ts'
import { newOperationId } from '../../../shared/http/operation.ts'
import { PLANS } from '../../../shared/quotas/plans.ts'
import { notesCache } from '../../../shared/store/notes-cache.ts'
import { usageStore } from '../../../shared/store/usage.ts'
import { episodeStore } from '../../../shared/store/episodes.ts'
import { startStore } from '../store-fixture.ts'
import { testConfig } from '../test-config.ts'
import { MemoryObjects } from './memory-objects.ts'

let store: Awaited<ReturnType<typeof startStore>>
let episodes: EpisodeStore
const enqueued: string[] = []
let tools: OwnerTools

beforeAll(async () => {
  store = await startStore()
  episodes = episodeStore(store.access, sweepRules(testConfig()), Date.now)
  tools = {
    episodes,
    objects: new MemoryObjects(),
    queue: {
      enqueue: async (id, { step, generation }) => void enqueued.push(`${id}-${generation}-${step}`),
    },
    usage: usageStore(store.access),
    notesCache: notesCache(store.access, Date.now),
    config: testConfig(),
    now: Date.now,
  }
})
afterAll(() => store.stop())

const ALICE = { userId: 'alice', limits: PLANS.standard }
const request = { title: 'x', language: 'en', options: {} }
const first = () => ({ id: newOperationId(), keyed: true, resumed: false })

/** An episode that was processed once, and ended. */
async function ended(status: 'error' | 'processing'): Promise<string> {
  const { id } = await createEpisode(tools, ALICE, first(), request)
  await episodes.move(id, (episode) => ({
    next: {
      ...episode,
      status,
      generation: 1,
      audio: { key: 'k', contentType: 'audio/flac', objectGeneration: '1' },
    },
  }))
  return id
}

describe('the tries of one operation', () => {
  test('create one episode, and see what has become of it since', async () => {
    const operation = first()
    const created = await createEpisode(tools, ALICE, operation, request)
    await episodes.move(created.id, (episode) => ({ next: { ...episode, title: 'renamed' } }))
    const again = await createEpisode(tools, ALICE, { ...operation, resumed: true }, request)
    expect(again).toMatchObject({ id: created.id, title: 'renamed' })
  })

  test('never see an episode of somebody else, whatever its id', async () => {
    const operation = first()
    await createEpisode(tools, ALICE, operation, request)
    await expect(createEpisode(tools, { ...ALICE, userId: 'bob' }, operation, request)).rejects.toMatchObject({
      kind: 'not_found',
    })
  })

  test('begin one generation, however far it has come meanwhile', async () => {
    const id = await ended('error')
    const operation = first()
    expect((await retryEpisode(tools, ALICE, { episodeId: id }, operation)).generation).toBe(2)
    for (const status of ['processing', 'ready', 'error'] as const) {
      await episodes.move(id, (episode) => ({ next: { ...episode, status } }))
      const again = await retryEpisode(tools, ALICE, { episodeId: id }, { ...operation, resumed: true })
      expect(again).toMatchObject({ generation: 2, status })
    }
    expect((await retryEpisode(tools, ALICE, { episodeId: id }, first())).generation).toBe(3)
  })

  test('cancel what they were meant to cancel, and not what was begun since', async () => {
    const id = await ended('processing')
    const operation = first()
    await cancelEpisode(tools, 'alice', id, operation)
    await retryEpisode(tools, ALICE, { episodeId: id }, first())
    expect((await cancelEpisode(tools, 'alice', id, { ...operation, resumed: true })).status).toBe('processing')
  })

  test('delete once; a resumed one finds nothing to do, a fresh one nothing to delete', async () => {
    const { id } = await createEpisode(tools, ALICE, first(), request)
    const operation = first()
    await deleteEpisode(tools, 'alice', id, operation)
    await expect(deleteEpisode(tools, 'alice', id, { ...operation, resumed: true })).resolves.toBeUndefined()
    await expect(deleteEpisode(tools, 'alice', id, first())).rejects.toMatchObject({ kind: 'not_found' })
  })
})

test('what cannot be done takes no room, and the failure is told as it is, whatever there is room for', async () => {
  const CAROL = { userId: 'carol', limits: { ...PLANS.standard, activeEpisodes: 0 } }
  const { id } = await createEpisode(tools, CAROL, first(), request)
  // It has no recording.
  await episodes.move(id, (episode) => ({ next: { ...episode, status: 'error' } }))
  await expect(retryEpisode(tools, CAROL, { episodeId: id }, first())).rejects.toMatchObject({ name: 'NeverProcessed' })
  expect(await tools.usage.read(CAROL.userId)).toMatchObject({ activeEpisodes: 0, pending: {} })
})

test("somebody else's episode and one that never was are refused in the same words", async () => {
  const { id } = await createEpisode(tools, ALICE, first(), request)
  const BOB = { ...ALICE, userId: 'bob' }
  const refusals = (episodeId: string) =>
    Promise.all(
      [
        cancelEpisode(tools, BOB.userId, episodeId, first()),
        retryEpisode(tools, BOB, { episodeId }, first()),
        deleteEpisode(tools, BOB.userId, episodeId, first()),
      ].map((one) => one.then(String, asHttpError).then((told) => JSON.stringify(told))),
    )
  const [foreign, missing] = [await refusals(id), await refusals('f'.repeat(24))]
  expect(foreign).toEqual(missing)
  expect(new Set(foreign).size).toBe(1)
})

describe('a language that nobody transcribes', () => {
  const languages = { takes: (tag: string) => tag === 'en', list: ['en'] }

  test('is told in a draft, with what is possible, and a transcript by hand is', async () => {
    const { id } = await createEpisode(tools, ALICE, first(), { ...request, language: 'tlh' })
    const audio = { key: `episodes/${id}/source`, contentType: 'audio/flac' }
    await tools.objects.create(audio.key, 'sound', audio.contentType)
    await episodes.move(id, (episode) => ({ next: { ...episode, audio } }))
    const processed = () => processEpisode({ ...tools, languages }, ALICE, id, first())
    const refusal = await processed().catch(asHttpError)
    expect(refusal).toMatchObject({ code: 'validation_error', details: { language: 'tlh', languages: ['en'] } })
    expect((refusal as Error).message).toMatch(/transcript by hand, or make a new episode in another language/)
    await giveTranscript(tools, ALICE, id, { json: '{}', timed: false })
    expect((await processed()).status).toBe('processing')
  })
})
