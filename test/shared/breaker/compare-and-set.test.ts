import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { appendWrite, compareAndSet } from '../../../shared/breaker/compare-and-set.ts'
import type { CompareAndSet, CompareAndSetEnd } from '../../../shared/breaker/compare-and-set.ts'
import { seededRandom } from '../seeded-random.ts'
import { VirtualTime } from '../virtual-time.ts'

type Version = { count: number; updateTime: number; writes: readonly string[] }
type Decision = { count: number | undefined; by: string }
type Change = CompareAndSet<Version, Decision>

/** How one commit goes. `repeated`: it lands, its answer is missed, and its repeat is refused by its own success. */
type Fate = 'well' | 'repeated' | 'fails'

/** One counter in virtual time; a read takes 5 ms, a write 10. */
function counter() {
  const time = new VirtualTime()
  const document: { now: Version | undefined } = { now: { count: 0, updateTime: 1, writes: [] } }
  const log: string[] = []
  const pausesMs: number[] = []
  const world = {
    time,
    document,
    log,
    pausesMs,
    fate: (): Fate => 'well',
    /** What happens between a read and its write. */
    rival: (): void => undefined,
    put(count: number, writes: readonly string[]): Version {
      document.now = { count, updateTime: (document.now?.updateTime ?? 0) + 1, writes }
      return document.now
    },
    /** Adds one, as a change with that id. */
    change: (writeId: string, overrides: Partial<Change> = {}): Change => ({
      writeId,
      async read() {
        log.push('read')
        await time.sleep(5)
        return document.now
      },
      decide: ({ count }) => ({ count: count + 1, by: writeId }),
      async write(version, { count = 0 }) {
        log.push('write')
        await time.sleep(5)
        world.rival()
        const fate = world.fate()
        if (fate === 'fails') throw new Error('the store is down')
        if (document.now?.updateTime !== version.updateTime) return 'lost'
        const written = world.put(count, appendWrite(version.writes, writeId))
        await time.sleep(5)
        return fate === 'repeated' ? 'lost' : written
      },
      ...overrides,
    }),
    /** Lives through a change until it has ended. */
    run: async (change: Change, random: () => number = () => 0.5) => {
      const clock = {
        after(delayMs: number, callback: () => void) {
          pausesMs.push(delayMs)
          return time.after(delayMs, callback)
        },
      }
      const end = compareAndSet(change, { clock, random })
      end.catch(() => undefined)
      await time.run(time.nowMs + 60_000)
      return end
    },
  }
  return world
}

/** Somebody is faster every time. */
function contended() {
  const world = counter()
  world.rival = () => void world.put((world.document.now?.count ?? 0) + 100, [`rival-${world.log.length}`])
  return world
}

describe('a change', () => {
  test('that nobody disturbs is one read and one write', async () => {
    const { run, change, log, document, pausesMs } = counter()
    expect(await run(change('a'))).toEqual({
      kind: 'landed',
      decision: { count: 1, by: 'a' },
      version: { count: 1, updateTime: 2, writes: ['a'] },
    })
    expect([log, pausesMs]).toEqual([['read', 'write'], []])
    expect(document.now?.count).toBe(1)
  })

  test('that is decided not to be one writes nothing', async () => {
    const { run, change, log } = counter()
    const decide = () => ({ count: undefined, by: 'nobody' })
    const write: Change['write'] = () => undefined
    expect(await run(change('a', { decide, write }))).toEqual({
      kind: 'unchanged',
      decision: { count: undefined, by: 'nobody' },
      version: { count: 0, updateTime: 1, writes: [] },
    })
    expect(log).toEqual(['read'])
  })

  test('of what is not there is none', async () => {
    const { run, change, document, log } = counter()
    document.now = undefined
    expect(await run(change('a'))).toEqual({ kind: 'absent' })
    expect(log).toEqual(['read'])
  })

  test('is decided anew on what a rival has written', async () => {
    const world = counter()
    world.rival = () => {
      world.rival = () => undefined
      world.put(7, ['rival'])
    }
    expect(await world.run(world.change('a'))).toMatchObject({
      kind: 'landed',
      version: { count: 8, writes: ['rival', 'a'] },
    })
    expect(world.log).toEqual(['read', 'write', 'read', 'write'])
  })

  test('throws what reading, deciding and writing throw', async () => {
    const { run, change, log } = counter()
    const refuse = (words: string) => () => {
      throw new Error(words)
    }
    await expect(run(change('a', { read: () => Promise.reject(new Error('no read')) }))).rejects.toThrow('no read')
    await expect(run(change('a', { decide: refuse('no decision') }))).rejects.toThrow('no decision')
    await expect(run(change('a', { write: refuse('no write') }))).rejects.toThrow('no write')
    expect(log).toEqual(['read', 'read'])
  })
})

describe('a remembered version', () => {
  const remembered = (version: Version) => ({ kind: 'remembered', version }) as const
  const NEWEST: Version = { count: 0, updateTime: 1, writes: [] }
  const OLD: Version = { count: -10, updateTime: 0, writes: [] }

  test('that is the newest spares the read', async () => {
    const { run, change, log } = counter()
    expect(await run(change('a', { known: remembered(NEWEST) }))).toMatchObject({
      kind: 'landed',
      version: { count: 1 },
    })
    expect(log).toEqual(['write'])
  })

  test('that is old costs one write, and the next try begins at once', async () => {
    const { run, change, log, pausesMs } = counter()
    expect(await run(change('a', { known: remembered(OLD) }))).toMatchObject({ kind: 'landed', version: { count: 1 } })
    expect([log, pausesMs]).toEqual([['write', 'read', 'write'], []])
  })

  test('refuses nothing: a decision that throws on it is asked again on a fresh one', async () => {
    const { run, change, log } = counter()
    const decide = ({ count }: Version) => {
      if (count < 0) throw new Error('below zero')
      return { count: count + 1, by: 'a' }
    }
    const end = await run(change('a', { decide, known: remembered(OLD) }))
    expect(end).toMatchObject({ kind: 'landed', version: { count: 1 } })
    expect(log).toEqual(['read', 'write'])
  })

  test('leaves nothing unchanged: that is decided on a fresh one', async () => {
    const world = counter()
    const { write } = world.change('a')
    const end = await world.run(
      world.change('a', {
        decide: ({ count }) => ({ count: count < 0 ? undefined : count + 1, by: 'a' }),
        write: (version, decision) => (decision.count === undefined ? undefined : write(version, decision)),
        known: remembered(OLD),
      }),
    )
    expect(end).toMatchObject({ kind: 'landed', version: { count: 1 } })
    expect(world.log).toEqual(['read', 'write'])
  })

  test('on which a repeated commit had landed is found out by the first read', async () => {
    const world = counter()
    world.fate = () => 'repeated'
    const end = await world.run(world.change('a', { known: remembered(NEWEST) }))
    expect(end).toMatchObject({ kind: 'landed', decision: { count: 1 }, version: { count: 1 } })
    expect([world.log, world.document.now?.count]).toEqual([['write', 'read'], 1])
  })
})

describe('a recent version', () => {
  const known = { kind: 'recent', version: { count: 5, updateTime: 1, writes: [] } } as const

  test('is as good as one that was read: unchanged and errors count', async () => {
    const { run, change, log } = counter()
    const decide = () => {
      throw new Error('refused')
    }
    expect(await run(change('a', { write: () => undefined, known }))).toMatchObject({
      kind: 'unchanged',
      decision: { count: 6 },
    })
    await expect(run(change('a', { decide, known }))).rejects.toThrow('refused')
    expect(log).toEqual([])
  })

  test('is the first of the tries', async () => {
    const { run, change, log } = contended()
    expect(await run(change('a', { known, triesMax: 2 }))).toEqual({ kind: 'contended' })
    expect(log).toEqual(['write', 'read', 'write', 'read'])
  })
})

describe('a commit that landed and was repeated', () => {
  test('is recognised after others have written, and not decided anew', async () => {
    const world = counter()
    let [decisions, commits] = [0, 0]
    world.fate = () => (commits++ === 0 ? 'repeated' : 'well')
    const end = world.run(
      world.change('a', {
        decide({ count }) {
          decisions++
          return { count: count + 1, by: 'a' }
        },
      }),
    )
    // During its pause.
    world.time.after(17, () => void world.put(50, ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']))
    expect(await end).toMatchObject({ kind: 'landed', decision: { count: 1 }, version: { count: 50 } })
    expect(decisions).toBe(1)
  })

  test('is recognised even if it was the last try', async () => {
    const world = contended()
    let commits = 0
    const { rival } = world
    world.rival = () => (++commits < 12 ? rival() : undefined)
    world.fate = () => 'repeated'
    expect(await world.run(world.change('a'))).toMatchObject({ kind: 'landed' })
    expect(world.document.now?.writes.at(-1)).toBe('a')
    expect(world.log.filter((entry) => entry === 'write')).toHaveLength(12)
  })
})

describe('limits', () => {
  test('after twelve tries, and one more on a remembered version, others were faster too often', async () => {
    for (const [known, writes] of [
      [undefined, 12],
      [{ kind: 'remembered', version: { count: 0, updateTime: 0, writes: [] } } as const, 13],
    ] as const) {
      const { run, change, log } = contended()
      expect(await run(change('a', { known }))).toEqual({ kind: 'contended' })
      expect(log.filter((entry) => entry === 'write')).toHaveLength(writes)
      expect(log.filter((entry) => entry === 'read')).toHaveLength(13)
    }
  })

  test('of a change that names fewer tries are kept to', async () => {
    const { run, change, log } = contended()
    expect(await run(change('a', { triesMax: 3 }))).toEqual({ kind: 'contended' })
    expect(log).toEqual(['read', 'write', 'read', 'write', 'read', 'write', 'read'])
  })

  test.for([
    ['least', 0, [10, 10, 10, 10, 10, 10, 10, 10, 10, 10, 10]],
    ['middle', 0.5, [15, 25, 45, 85, 165, 205, 205, 205, 205, 205, 205]],
    ['most', 1, [20, 40, 80, 160, 320, 400, 400, 400, 400, 400, 400]],
  ] as const)('pauses double up to a cap, with jitter: at the %s', async ([, chance, expected]) => {
    const { run, change, pausesMs } = contended()
    await run(change('a'), () => chance)
    expect(pausesMs).toEqual(expected)
  })

  test('a document remembers its eight latest writes', () => {
    expect(appendWrite(['1', '2', '3', '4', '5', '6', '7', '8'], '9')).toEqual(['2', '3', '4', '5', '6', '7', '8', '9'])
  })
})

test('of up to eight changes at once, each counts exactly once or says that it did not, whatever becomes of commits', async () => {
  let [landed, lost, repeated] = [0, 0, 0]
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 8 }),
      fc.integer(),
      fc.constantFrom(undefined, 1, 2, 4),
      fc.array(fc.constantFrom<Fate>('well', 'well', 'repeated', 'fails'), { maxLength: 20 }),
      async (changes, seed, triesMax, fates) => {
        const world = counter()
        const random = seededRandom(seed)
        const left = [...fates]
        world.fate = () => left.shift() ?? 'well'
        const ids = Array.from({ length: changes }, (_, index) => `change-${index}`)
        const ends = ids.map(async (id): Promise<CompareAndSetEnd<Version, Decision> | 'failed'> => {
          await world.time.sleep(random() * 30)
          const known =
            random() < 0.5
              ? ({ kind: 'remembered', version: { count: 0, updateTime: 1, writes: [] } } as const)
              : undefined
          const change = world.change(id, { known, ...(triesMax && { triesMax }) })
          return compareAndSet(change, { clock: world.time.clock(), random }).catch(() => 'failed' as const)
        })
        await world.time.run(60_000)
        const kinds = (await Promise.all(ends)).map((end) => (end === 'failed' ? end : end.kind))
        const written = world.document.now?.writes ?? []
        expect(world.document.now?.count).toBe(written.length)
        expect(new Set(written).size).toBe(written.length)
        for (const [index, kind] of kinds.entries())
          if (kind === 'landed') expect(written).toContain(ids[index])
          else expect(written).not.toContain(ids[index])
        landed += kinds.filter((kind) => kind === 'landed').length
        lost += kinds.filter((kind) => kind === 'contended').length
        repeated += fates.filter((fate) => fate === 'repeated').length
      },
    ),
    { numRuns: 300 },
  )
  expect(Math.min(landed, lost, repeated)).toBeGreaterThan(10)
})
