import { describe, expect, test } from 'vitest'

import type { Due, WorkflowStore } from '../../shared/engine/ports.ts'
import { freshSteps } from '../../shared/engine/transitions/moved.ts'
import type { Episode } from '../../shared/podcast/episode.ts'
import { PIPELINE } from '../../shared/podcast/pipeline.ts'

/** One store of workflows, and what a test must be able to do to it. */
export type StoreUnderTest = {
  /** Stores of several instances over the same workflows. */
  readonly stores: readonly WorkflowStore<Episode>[]
  readonly create: (id: string, more?: Partial<Episode>) => Promise<void>
  readonly read: (id: string) => Promise<Episode | undefined>
  /** The next write lands, and the store that made it does not hear so. */
  readonly loseNextAnswer: () => void
  /** The store's time. */
  readonly nowMs: () => number
}

/** What the engine relies on of a store of workflows. */
export function workflowStoreContract(name: string, open: () => Promise<StoreUnderTest>): void {
  let ids = 0
  const newId = () => `${name.toLowerCase().replaceAll(/[^a-z]/g, '')}${ids++}`.padEnd(24, '0')
  const renamed = (episode: Episode) => ({ next: { ...episode, title: `${episode.title}+` } })

  describe(`store of workflows: ${name}`, () => {
    test('moves what is there, tells the time, and answers what was decided', async () => {
      const { stores, create, read, nowMs } = await open()
      const id = newId()
      await create(id, { title: 'a' })
      const decision = await stores[0]?.move(id, (episode, atMs) => ({ ...renamed(episode), atMs }))
      expect(decision?.next.title).toBe('a+')
      expect(Math.abs((decision?.atMs ?? 0) - nowMs())).toBeLessThan(60_000)
      expect((await read(id))?.title).toBe('a+')
    })

    test('leaves alone what is decided to stay, and says so', async () => {
      const { stores, create, read } = await open()
      const id = newId()
      await create(id, { title: 'a' })
      expect(await stores[0]?.move(id, () => ({ next: undefined, why: 'because' }))).toEqual({ why: 'because' })
      expect((await read(id))?.title).toBe('a')
    })

    test('moves nothing where nothing is', async () => {
      const { stores } = await open()
      expect(await stores[0]?.move(newId(), renamed)).toBeUndefined()
    })

    test('loses no move of several instances at once', async () => {
      const { stores, create, read } = await open()
      const id = newId()
      await create(id, { title: '' })
      await Promise.all(stores.flatMap((store) => [store.move(id, renamed), store.move(id, renamed)]))
      expect((await read(id))?.title).toBe('+'.repeat(2 * stores.length))
    })

    test('makes a move once although its answer was lost', async () => {
      const { stores, create, read, loseNextAnswer } = await open()
      const id = newId()
      await create(id, { title: '' })
      loseNextAnswer()
      expect((await stores[0]?.move(id, renamed))?.next.title).toBe('+')
      expect((await read(id))?.title).toBe('+')
    })

    test('decides on the newest version, whatever was seen before', async () => {
      const { stores, create } = await open()
      const [one, other] = stores
      const id = newId()
      await create(id, { title: 'a' })
      await one?.move(id, renamed)
      await other?.move(id, renamed)
      const seen: string[] = []
      await one?.move(id, (episode) => {
        seen.push(episode.title)
        return renamed(episode)
      })
      expect(seen.at(-1)).toBe('a++')
    })

    test('finds what is due, the longest due first, in pages, and nothing else', async () => {
      const { stores, create, nowMs } = await open()
      const [store] = stores
      const due = [newId(), newId(), newId()]
      // A task that was due long ago: the sweep should have looked at the first before the second.
      for (const [index, id] of due.entries()) await create(id, stalledFor(nowMs(), 10_000_000 - index * 1_000_000))
      await create(newId(), stalledFor(nowMs(), -10_000_000))
      const pages: string[][] = []
      for await (const page of store?.due(nowMs(), 2) ?? []) pages.push(page.map(({ id }) => id))
      const found = pages.flat().filter((id) => due.includes(id))
      expect(found).toEqual(due)
      expect(Math.max(...pages.map(({ length }) => length))).toBe(2)
    })

    test('lets what is due be moved as it was seen, and come back later', async () => {
      const { stores, create, read, nowMs } = await open()
      const [store] = stores
      const id = newId()
      await create(id, { ...stalledFor(nowMs(), 20_000_000), title: 'a' })
      const due = await findDue(store, nowMs(), id)
      expect(due?.seen?.workflow.title).toBe('a')
      await store?.move(id, renamed, due?.seen)
      expect((await read(id))?.title).toBe('a+')
      const again = await findDue(store, nowMs(), id)
      await again?.postpone(nowMs() + 60_000)
      expect(await findDue(store, nowMs(), id)).toBeUndefined()
    })
  })
}

/** In processing, with a step that nobody has looked at for so long. */
function stalledFor(nowMs: number, forMs: number): Partial<Episode> {
  const expectedMs = nowMs - forMs
  const pending = { state: 'pending', attempt: 0, dispatch: 1, nextCheckAtMs: expectedMs } as const
  return {
    status: 'processing',
    generation: 1,
    processingSinceMs: expectedMs,
    updatedAtMs: expectedMs,
    steps: { ...freshSteps(PIPELINE), transcribe: pending } as Episode['steps'],
  }
}

async function findDue(
  store: WorkflowStore<Episode> | undefined,
  nowMs: number,
  id: string,
): Promise<Due<Episode> | undefined> {
  for await (const page of store?.due(nowMs, 100) ?? []) {
    const found = page.find((one) => one.id === id)
    if (found !== undefined) return found
  }
  return undefined
}
