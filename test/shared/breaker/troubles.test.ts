import { describe, expect, test, vi } from 'vitest'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import type { BreakerOptions, FailureMeaning } from '../../../shared/breaker/breaker.ts'
import { BreakerControl } from '../../../shared/breaker/control.ts'
import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import type { BreakerEvent } from '../../../shared/breaker/transitions.ts'
import { seededRandom } from '../seeded-random.ts'
import { VirtualStore } from './virtual-world.ts'
import { VirtualTime, WORLD_EPOCH_MS } from '../virtual-time.ts'
import type { StoreWeather } from './virtual-world.ts'

const WELL: StoreWeather = { latencyMs: 10, fate: 'well' }

function world(options: Partial<BreakerOptions> = {}) {
  const time = new VirtualTime()
  const store = new VirtualStore(time)
  const events: (BreakerEvent & { local: boolean })[] = []
  const troubles: string[] = []
  let seed = 1
  const make = (wallOffsetMs = 0, overrides: Partial<BreakerOptions> = {}) =>
    new CircuitBreaker({
      name: 'gemini',
      store,
      clock: time.clock(wallOffsetMs),
      random: seededRandom(seed++),
      onEvent: (event) => events.push(event),
      onTrouble: (trouble) => troubles.push(trouble),
      ...options,
      ...overrides,
    })
  /** One call, and how long its caller waited in all. */
  const call = async (breaker: CircuitBreaker, thrown?: Error, forMs = 4000) => {
    const startedAtMs = time.nowMs
    let endedAtMs = startedAtMs
    const ended = breaker
      .execute(async () => {
        await time.sleep(10)
        if (thrown !== undefined) throw thrown
      })
      .then(
        () => 'success',
        (error: unknown) =>
          error === thrown ? 'failure' : error instanceof BreakerOpenError ? 'rejected' : String(error),
      )
      .finally(() => (endedAtMs = time.nowMs))
    await time.run(time.nowMs + forMs)
    return { end: await ended, waitedMs: endedAtMs - startedAtMs }
  }
  const trip = async (breaker: CircuitBreaker) => {
    for (let i = 0; i < 5; i++) await call(breaker, new Error('down'), 500)
  }
  return { time, store, events, troubles, make, call, trip }
}

describe('without its store', () => {
  test.for([
    ['down', { latencyMs: 10, fate: 'fails' }, 40],
    ['black-holed', { latencyMs: 10, fate: 'never' }, 2000],
    ['slow', { latencyMs: 8000, fate: 'well' }, 2000],
  ] as const)(
    '%s from the start: a cold call waits once, then nobody does, and protection is the same',
    async ([, weather, firstMs]) => {
      const { store, make, call, trip, events } = world()
      store.weather = () => weather
      const breaker = make()
      const first = await call(breaker)
      expect(first.end).toBe('success')
      expect(first.waitedMs).toBeLessThanOrEqual(firstMs + 20)
      expect(await call(breaker)).toEqual({ end: 'success', waitedMs: 10 })
      await trip(breaker)
      expect(await call(breaker)).toEqual({ end: 'rejected', waitedMs: 0 })
      expect(events).toMatchObject([{ type: 'opened', local: true, failures: 5 }])
    },
  )

  test('gone later: one read waits 150 ms, and no result or error of the provider is masked', async () => {
    const { store, make, call, trip, time } = world()
    const breaker = make()
    await call(breaker)
    store.weather = () => ({ latencyMs: 10, fate: 'never' })
    expect(await call(breaker)).toEqual({ end: 'success', waitedMs: 160 })
    expect(await call(breaker)).toEqual({ end: 'success', waitedMs: 10 })
    await trip(breaker)
    expect((await call(breaker)).end).toBe('rejected')
    await time.run(time.nowMs + 60_000)
    // The probe insists on asking the store for its lease, once.
    const probe = await call(breaker, undefined, 5000)
    expect(probe.end).toBe('success')
    expect(probe.waitedMs).toBeLessThanOrEqual(4020)
    expect(breaker.state).toBe('closed')
  })

  test('what one instance found out alone is handed to the fleet when the store is back', async () => {
    const { store, make, call, trip, events } = world()
    const [a, b] = [make(), make()]
    await call(a)
    await call(b)
    store.weather = () => ({ latencyMs: 10, fate: 'fails' })
    await trip(a)
    store.weather = () => WELL
    // The store is asked once per TTL, and nobody waits for what it says.
    for (let i = 0; i < 2; i++) expect((await call(a)).end).toBe('rejected')
    expect((await call(b)).end).toBe('rejected')
    expect(events.map(({ type, local }) => [type, local])).toEqual([
      ['opened', true],
      ['opened', false],
    ])
    expect(events[1]?.retryAtMs).toBe(events[0]?.retryAtMs)
  })

  test('what the fleet decided meanwhile counts more', async () => {
    const { store, make, call, trip } = world()
    const [a, b] = [make(), make()]
    await call(a)
    await call(b)
    const control = new BreakerControl(store, () => undefined)
    store.weather = () => ({ latencyMs: 10, fate: 'fails' })
    await trip(a)
    store.weather = () => ({ latencyMs: 0, fate: 'well' })
    const override = control.override('gemini', { action: 'close', by: 'root', reason: 'x' })
    await call(b)
    await override
    await call(a)
    expect((await call(a)).end).toBe('success')
  })

  test('a write whose answer was lost is recognised, counted once and told once', async () => {
    const { store, make, call, events } = world()
    const breaker = make()
    await call(breaker)
    let writes = 0
    store.weather = (operation) => (operation === 'write' && writes++ === 0 ? { latencyMs: 10, fate: 'lost' } : WELL)
    for (let i = 0; i < 4; i++) await call(breaker, new Error('down'), 3000)
    expect(events).toEqual([])
    await call(breaker, new Error('down'), 3000)
    expect(events.filter(({ local }) => !local)).toMatchObject([{ type: 'opened', failures: 5 }])
  })
})

describe('a document', () => {
  test('of a newer version is left alone, and the instance protects itself', async () => {
    const { store, make, call, trip, troubles } = world()
    store.tamper({ schemaVersion: 2, state: 'ajar' })
    const breaker = make()
    expect((await call(breaker)).end).toBe('success')
    await trip(breaker)
    expect((await call(breaker)).end).toBe('rejected')
    expect(store.document?.data).toEqual({ schemaVersion: 2, state: 'ajar' })
    expect(troubles.filter((trouble) => trouble === 'newer_record')).toHaveLength(1)
  })

  test('that cannot be read stands for what each instance knows, and is replaced by the next change', async () => {
    const { store, make, call, trip, events } = world()
    const [knows, cold] = [make(), make()]
    await trip(knows)
    store.tamper({ schemaVersion: 1, state: 'ajar' })
    expect((await call(knows)).end).toBe('rejected')
    expect((await call(cold)).end).toBe('success')
    await trip(cold)
    expect(store.document?.data).toMatchObject({ schemaVersion: 1, state: 'open' })
    expect(events.map(({ type }) => type)).toEqual(['opened', 'opened'])
  })

  test('that was deleted is a breaker nobody has used, whose generations are not used again', async () => {
    const { store, make, call, trip, events } = world()
    const breaker = make()
    await trip(breaker)
    store.tamper(undefined)
    await call(breaker)
    expect((await call(breaker)).end).toBe('success')
    await trip(breaker)
    expect(events).toHaveLength(2)
    expect(new Set(events.map(({ generation }) => generation)).size).toBe(2)
  })
})

test.for([-300_000, 300_000])('a wall clock %i ms off changes nothing for the fleet', async (offMs) => {
  const { make, call, trip, time, events } = world()
  const [off, right] = [make(offMs), make()]
  await call(right)
  await trip(off)
  const [opened] = events
  expect((opened?.retryAtMs ?? 0) - WORLD_EPOCH_MS - time.nowMs).toBeGreaterThan(57_000)
  expect((await call(right)).end).toBe('rejected')
  await time.run((opened?.retryAtMs ?? 0) - WORLD_EPOCH_MS - 4000)
  expect((await call(off)).end).toBe('rejected')
  expect((await call(off)).end).toBe('success')
})

describe('what counts', () => {
  const saying = (meaning: FailureMeaning) => world({ classify: () => meaning })

  test('ignored errors never do', async () => {
    const { make, trip, call, events, store } = saying('ignored')
    const breaker = make()
    for (let i = 0; i < 10; i++) await trip(breaker)
    expect((await call(breaker)).end).toBe('success')
    expect([events, store.writes]).toEqual([[], 0])
  })

  test('a Retry-After opens it for everybody, for that long and no longer than the cap', async () => {
    for (const [forMs, openMs] of [
      [20_000, 20_000],
      [7_200_000, 900_000],
    ] as const) {
      const { make, call, events, time } = saying({ reason: 'throttled', forMs })
      const [a, b] = [make(), make()]
      await call(a, new Error('429'), 500)
      expect((await call(b)).end).toBe('rejected')
      expect(events).toMatchObject([{ type: 'opened', reason: 'throttled', failures: 0 }])
      expect((events[0]?.retryAtMs ?? 0) - (events[0]?.atMs ?? 0)).toBe(openMs)
      await time.run((events[0]?.retryAtMs ?? 0) - WORLD_EPOCH_MS)
      expect((await call(b)).end).toBe('success')
    }
  })

  test.for(['auth', 'billing'] as const)('%s opens it at once, and is alerted', async (reason) => {
    const { make, call, events } = saying({ reason })
    const breaker = make()
    await call(breaker, new Error('refused'))
    expect((await call(breaker)).end).toBe('rejected')
    expect(events).toMatchObject([{ type: 'opened', reason }])
  })

  test('slow calls do when that is switched on', async () => {
    const { make, call, events } = world({ settings: { slowCallMs: 5 } })
    const breaker = make()
    for (let i = 0; i < 5; i++) expect((await call(breaker)).end).toBe('success')
    expect(events).toMatchObject([{ type: 'opened', failures: 5 }])
  })

  test('a call that its caller gave up never does', async () => {
    const { make, time, events } = world()
    const breaker = make()
    for (let i = 0; i < 10; i++) {
      const aborter = new AbortController()
      const given = breaker.execute(async (signal) => {
        await time.sleep(50)
        signal.throwIfAborted()
      }, aborter.signal)
      given.catch(() => undefined)
      aborter.abort(new Error('gone'))
      await time.run(time.nowMs + 1000)
      await expect(given).rejects.toThrow('gone')
    }
    expect(events).toEqual([])
  })
})

describe('operators', () => {
  const words = { by: 'root', reason: 'why not' }

  test('open, close and auto hold for the whole fleet within the TTL, survive cold starts, and end by themselves', async () => {
    const { make, call, store, trip, events } = world()
    const control = new BreakerControl(store, (event) => events.push(event))
    const during = async <T>(work: Promise<T>): Promise<T> => {
      await call(make())
      return work
    }
    const [a, cold] = [make(), make()]
    await call(a)
    await during(control.override('gemini', { ...words, action: 'open', forMs: 30_000 }))
    expect((await call(a)).end).toBe('rejected')
    expect((await call(cold)).end).toBe('rejected')
    for (let i = 0; i < 7; i++) await call(a)
    // Its end has come: somebody finds out whether the provider is well.
    expect((await call(a)).end).toBe('success')
    await during(control.override('gemini', { ...words, action: 'close' }))
    await call(a)
    for (let i = 0; i < 4; i++) await trip(a)
    expect((await call(a)).end).toBe('success')
    expect(await during(control.status('gemini'))).toMatchObject({
      state: 'closed',
      mode: 'forced_closed',
      reason: 'why not',
    })
    await during(control.override('gemini', { ...words, action: 'auto' }))
    await call(a)
    await trip(a)
    expect((await call(a)).end).toBe('rejected')
    expect(events.map(({ type, by }) => [type, by])).toEqual([
      ['forced', 'root'],
      ['half_open', undefined],
      ['closed', undefined],
      ['forced', 'root'],
      ['forced', 'root'],
      ['opened', undefined],
    ])
    expect((await during(control.status('gemini'))).audit.map(({ action }) => action)).toEqual([
      'auto',
      'close',
      'open',
    ])
  })
})

test('listeners that throw or reject harm nobody', async () => {
  const onEvent = vi.fn<() => unknown>()
  onEvent.mockImplementationOnce(() => {
    throw new Error('listener')
  })
  onEvent.mockImplementation(() => Promise.reject(new Error('later')))
  const { make, call, trip, time } = world({ onEvent })
  const breaker = make()
  await trip(breaker)
  await time.run(time.nowMs + 61_000)
  expect((await call(breaker)).end).toBe('success')
  expect(onEvent).toHaveBeenCalledTimes(3)
})
