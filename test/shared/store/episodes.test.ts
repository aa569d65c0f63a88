import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { sweepRules } from '../../../shared/dependencies/engine-settings.ts'
import { WrongStatus } from '../../../shared/podcast/errors.ts'
import type { Episode } from '../../../shared/podcast/episode.ts'
import { episodeStore } from '../../../shared/store/episodes.ts'
import type { FirestoreAccess } from '../../../shared/store/firestore.ts'
import { draft } from '../podcast/episode-fixtures.ts'
import { startStore } from '../store-fixture.ts'
import { testConfig } from '../test-config.ts'

const RULES = sweepRules(testConfig())

let fixture: Awaited<ReturnType<typeof startStore>>
let access: FirestoreAccess
let ids = 0

beforeAll(async () => {
  fixture = await startStore()
  access = fixture.access
})
afterAll(() => fixture.stop())

/** A stored draft, and the stores of so many instances that look at it. */
async function stored(instances: number) {
  const episode = { ...draft(), id: `e${ids++}` }
  const stores = Array.from({ length: instances }, () => episodeStore(access, RULES, Date.now))
  await stores[0]?.create(episode)
  return { id: episode.id, stores }
}

const renamed = (episode: Episode) => ({ next: { ...episode, generation: episode.generation + 1 } })

describe('an episode in the store', () => {
  test('loses no move when several instances move it at once, each remembering what it wrote', async () => {
    const { id, stores } = await stored(3)
    for (let round = 0; round < 5; round++) await Promise.all(stores.map((store) => store.move(id, renamed)))
    expect((await stores[0]?.read(id))?.generation).toBe(15)
  })

  test('is decided on afresh when what an instance remembers is old', async () => {
    const { id, stores } = await stored(2)
    const [one, other] = stores
    await one?.move(id, renamed)
    await other?.move(id, (episode) => ({ next: { ...episode, status: 'cancelled' as const } }))
    const seen: string[] = []
    const refused = one?.move(id, (episode) => {
      seen.push(episode.status)
      if (episode.status !== 'draft') throw new WrongStatus(episode.status, ['draft'])
      return renamed(episode)
    })
    await expect(refused).rejects.toMatchObject({ kind: 'conflict' })
    expect(seen.at(-1)).toBe('cancelled')
    // A refusal that the newest version does not deserve is not given either.
    await other?.move(id, (episode) => ({ next: { ...episode, status: 'draft' as const } }))
    expect((await one?.move(id, renamed))?.next.status).toBe('draft')
  })

  test('is moved once although the client repeats a commit whose answer was lost', async () => {
    const { id } = await stored(1)
    let updates = 0
    const repeating: FirestoreAccess = {
      ...access,
      async call(what, work) {
        const result = await access.call(what, work)
        // What the client does after UNAVAILABLE: the same commit again, which its own success now refuses.
        if (what === 'update episode' && updates++ === 0) return access.call(what, work)
        return result
      },
    }
    const store = episodeStore(repeating, RULES, Date.now)
    expect((await store.move(id, renamed))?.next.generation).toBe(1)
    expect((await store.read(id))?.generation).toBe(1)
    expect(updates).toBe(1)
  })

  test('keeps fields that a newer version of the program has written', async () => {
    const { id, stores } = await stored(1)
    await access.call('seed', (db) =>
      db.doc(`episodes/${id}`).update({ 'steps.write.madeByNewer': 'kept', newerField: 1 }),
    )
    await stores[0]?.move(id, (episode) => ({ next: { ...episode, title: 'New' } }))
    const document = await access.call('look', (db) => db.doc(`episodes/${id}`).get())
    expect(document.data()).toMatchObject({ title: 'New', newerField: 1, steps: { write: { madeByNewer: 'kept' } } })
  })

  test('that is not there is moved to nothing', async () => {
    const { stores } = await stored(1)
    expect(await stores[0]?.move('nowhere', renamed)).toBeUndefined()
  })

  test('that is being deleted is in no list, and hides no other', async () => {
    const { id, stores } = await stored(1)
    const { id: gone } = await stored(1)
    await stores[0]?.move(gone, (episode) => ({ next: { ...episode, deletedAtMs: 5 } }))
    const list = async () => (await stores[0]?.page({ userId: 'alice', pageSize: 100 }))?.episodes.map((one) => one.id)
    expect(await list()).toContain(id)
    expect(await list()).not.toContain(gone)
    // It is there all the same, for whoever ends its deletion.
    expect(await stores[0]?.read(gone)).toMatchObject({ deletedAtMs: 5 })
  })

  test('that cannot be read hides no other from a list', async () => {
    const { id, stores } = await stored(1)
    await access.call('break', (db) =>
      db.doc('episodes/broken').set({ ...draft(), id: 'broken', steps: 'none', createdAtMs: 1 }),
    )
    const { episodes } = (await stores[0]?.page({ userId: 'alice', pageSize: 100 })) ?? { episodes: [] }
    expect(episodes.map((episode) => episode.id)).toContain(id)
    expect(episodes.map((episode) => episode.id)).not.toContain('broken')
  })
})
