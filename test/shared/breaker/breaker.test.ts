import { describe, expect, test } from 'vitest'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import type { BreakerOptions } from '../../../shared/breaker/breaker.ts'
import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import type { BreakerEvent } from '../../../shared/breaker/transitions.ts'
import { seededRandom } from '../seeded-random.ts'
import { VirtualStore } from './virtual-world.ts'
import { VirtualTime } from '../virtual-time.ts'

/** A fleet in virtual time: `call(i)` makes one call of instance i, which takes 100 ms and ends as the provider does. */
function fleet(count: number, options: Partial<BreakerOptions> = {}) {
  const time = new VirtualTime()
  const store = new VirtualStore(time)
  let seed = 7
  const events: (BreakerEvent & { local: boolean })[] = []
  const provider = { fails: false as boolean | ((call: number) => boolean), reached: 0 }
  const make = (overrides: Partial<BreakerOptions> = {}) =>
    new CircuitBreaker({
      name: 'gemini',
      store,
      clock: time.clock(),
      random: seededRandom(seed++),
      onEvent: (event) => events.push(event),
      ...options,
      ...overrides,
    })
  const instances = Array.from({ length: count }, () => make())
  const call = async (breaker: CircuitBreaker | undefined, failWith: unknown = new Error('down')): Promise<string> => {
    if (breaker === undefined) throw new Error('no such instance')
    try {
      await breaker.execute(async () => {
        const reached = provider.reached++
        await time.sleep(100)
        if (typeof provider.fails === 'function' ? provider.fails(reached) : provider.fails) throw failWith
      })
      return 'success'
    } catch (error) {
      return error instanceof BreakerOpenError ? 'rejected' : 'failure'
    }
  }
  /** Runs something that waits for virtual time, and that time. */
  const during = async <T>(work: Promise<T>, ms = 5000): Promise<T> => {
    await time.run(time.nowMs + ms)
    return work
  }
  return { time, store, events, provider, instances, make, call, during }
}

describe('the seed behaviour', () => {
  test('five failures open it, it blocks for 60 s, one probe closes it by itself', async () => {
    const { instances, provider, call, during, events, time } = fleet(1)
    provider.fails = true
    for (let i = 0; i < 5; i++) expect(await during(call(instances[0]), 1000)).toBe('failure')
    expect(await during(call(instances[0]), 1000)).toBe('rejected')
    expect(provider.reached).toBe(5)
    await time.run(time.nowMs + 50_000)
    expect(await during(call(instances[0]), 1000)).toBe('rejected')
    provider.fails = false
    await time.run(time.nowMs + 10_000)
    expect(await during(call(instances[0]), 1000)).toBe('success')
    expect(events.map(({ type }) => type)).toEqual(['opened', 'half_open', 'closed'])
    expect(events[0]).toMatchObject({ failures: 5, successes: 0, reason: 'failures', from: 'closed', local: false })
  })

  test('four failures do not', async () => {
    const { instances, provider, call, during, events } = fleet(1)
    provider.fails = true
    for (let i = 0; i < 4; i++) await during(call(instances[0]), 1000)
    provider.fails = false
    expect(await during(call(instances[0]), 1000)).toBe('success')
    expect(events).toEqual([])
  })

  test('failures that have left the window do not count', async () => {
    const { instances, provider, call, during, events } = fleet(1)
    provider.fails = true
    for (let i = 0; i < 8; i++) await during(call(instances[0]), 16_000)
    expect(events).toEqual([])
  })

  test('alternating success and failure opens it', async () => {
    const { instances, provider, call, during, events } = fleet(1)
    provider.fails = (nth) => nth % 2 === 0
    for (let i = 0; i < 10; i++) await during(call(instances[0]), 700)
    expect(events).toMatchObject([{ type: 'opened', failures: 5 }])
  })

  test.for([
    [1, 1000],
    [20, 10],
    [100, 10],
  ])(
    'one failure in a hundred does not (%i instances, %i calls a second each)',
    async ([count = 0, callsPerSecond = 0]) => {
      const { instances, provider, time, store, events, call } = fleet(count)
      const random = seededRandom(11)
      provider.fails = () => random() < 0.01
      const calls = 5 * callsPerSecond * count
      for (let i = 0; i < calls; i++) time.after(random() * 5000, () => void call(instances[i % count]))
      await time.run(9000)
      expect(provider.reached).toBe(calls)
      expect(events).toEqual([])
      expect(store.writes).toBeGreaterThan(0)
    },
  )

  test('five instances with one failure each open it for all', async () => {
    const { instances, provider, call, during, events, make } = fleet(5)
    provider.fails = true
    const ends = await during(Promise.all(instances.map((instance) => call(instance))))
    expect(ends).toEqual(Array.from({ length: 5 }, () => 'failure'))
    expect(events).toMatchObject([{ type: 'opened', failures: 5, local: false }])
    // Also for one that has only just started.
    expect(await during(call(make()))).toBe('rejected')
    expect(provider.reached).toBe(5)
  })
})

describe('cheap', () => {
  test('a healthy fleet writes nothing and reads once per instance and TTL, only when called', async () => {
    const { instances, time, store, call } = fleet(3)
    for (let at = 0; at < 60_000; at += 100) for (const instance of instances) time.at(at, () => void call(instance))
    await time.run(60_500)
    expect(store.writes).toBe(0)
    expect(store.reads).toBeLessThanOrEqual(3 * 31)
    const { reads } = store
    await time.run(600_000)
    expect(store.reads).toBe(reads)
  })

  test('while it is open, rejections cost that one read and nothing else', async () => {
    const { instances, time, store, provider, call, during } = fleet(1)
    provider.fails = true
    for (let i = 0; i < 5; i++) await during(call(instances[0]), 500)
    const { reads, writes } = store
    for (let at = 0; at < 40_000; at += 10) time.after(at, () => void call(instances[0]))
    await time.run(time.nowMs + 40_000)
    expect(store.writes).toBe(writes)
    expect(store.reads - reads).toBeLessThanOrEqual(21)
  })

  test('while a failure is within the window successes are published, at most once a second', async () => {
    const { instances, time, store, provider, call } = fleet(1)
    provider.fails = (nth) => nth === 10
    for (let at = 0; at < 100_000; at += 50) time.at(at, () => void call(instances[0]))
    await time.run(90_000)
    expect(store.writes).toBeGreaterThan(30)
    expect(store.writes).toBeLessThanOrEqual(62)
    const { writes } = store
    await time.run(101_000)
    expect(store.writes).toBe(writes)
  })
})

describe('half-open', () => {
  async function opened(count: number, options: Partial<BreakerOptions> = {}) {
    const world = fleet(count, options)
    world.provider.fails = true
    for (let i = 0; i < 5; i++) await world.during(world.call(world.instances[0]), 500)
    await world.during(Promise.all(world.instances.slice(1).map((instance) => world.call(instance))), 100)
    const retryAtMs = world.events[0]?.retryAtMs ?? 0
    await world.time.run(retryAtMs - 1_800_000_000_000 + 50)
    world.provider.reached = 0
    return world
  }

  test('of a thousand calls of twenty instances, one is the probe and nobody waits for it', async () => {
    const { instances, provider, call, time } = await opened(20)
    provider.fails = false
    const ends: string[] = []
    for (const instance of instances) for (let i = 0; i < 50; i++) void call(instance).then((end) => ends.push(end))
    // The probe itself takes 100 ms beyond its claim.
    await time.run(time.nowMs + 95)
    expect(provider.reached).toBe(1)
    await time.run(time.nowMs + 2000)
    expect(provider.reached).toBe(1)
    expect(ends.filter((end) => end === 'success')).toHaveLength(1)
    expect(ends.filter((end) => end === 'rejected')).toHaveLength(999)
  })

  test('failure reopens for longer, until the same moment for everybody', async () => {
    const { instances, call, during, events } = await opened(3)
    const durations: number[] = []
    for (let i = 0; i < 5; i++) {
      expect(await during(call(instances[i % 3]), 1000)).toBe('failure')
      const last = events.at(-1)
      expect(last).toMatchObject({ type: 'opened', reopenings: i + 1 })
      durations.push((last?.retryAtMs ?? 0) - (last?.atMs ?? 0))
      await during(Promise.resolve(), (durations[i] ?? 0) + 100)
    }
    const ceilings = [120_000, 240_000, 300_000, 300_000, 300_000]
    for (const [i, duration] of durations.entries())
      expect(Math.abs(duration / (ceilings[i] ?? 1) - 1)).toBeLessThanOrEqual(0.15)
    expect(new Set(durations).size).toBe(5)
  })

  test('a killed prober delays the next probe by its lease, not longer', async () => {
    const { instances, make, provider, time, call, during } = await opened(2)
    // Its process is gone: it neither reports nor makes another call.
    const dead = make()
    await during(dead.admit(), 500)
    provider.fails = false
    expect(await during(call(instances[1]), 1000)).toBe('rejected')
    await time.run(time.nowMs + 28_000)
    expect(await during(call(instances[1]), 400)).toBe('rejected')
    await time.run(time.nowMs + 500)
    expect(await during(call(instances[1]), 1000)).toBe('success')
  })

  test('an ignored error and an abort give the lease back at once', async () => {
    const { instances, provider, call, during, events } = await opened(2, {
      classify: (error) => (error instanceof TypeError ? 'ignored' : 'failure'),
    })
    expect(await during(call(instances[0], new TypeError('the input')), 1000)).toBe('failure')
    const aborter = new AbortController()
    const aborted = instances[1]?.execute(
      (signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error))
        }),
      aborter.signal,
    )
    aborted?.catch(() => undefined)
    await during(Promise.resolve(), 200)
    aborter.abort(new Error('the caller has gone'))
    await during(Promise.resolve(), 200)
    await expect(aborted).rejects.toThrow('the caller has gone')
    provider.fails = false
    expect(await during(call(instances[0]), 1000)).toBe('success')
    expect(events.map(({ type }) => type)).toEqual(['opened', 'half_open', 'half_open', 'half_open', 'closed'])
  })

  test('a late result of a prober whose lease has run out changes nothing', async () => {
    const { instances, time, events, call, during, provider } = await opened(2, { settings: { probeMaxMs: 30_000 } })
    // It does not listen to its signal.
    const late = instances[0]?.execute(() => time.sleep(45_000))
    await time.run(time.nowMs + 31_000)
    expect(await during(call(instances[1]), 1000)).toBe('failure')
    const { length } = events
    provider.fails = false
    await during(Promise.resolve(late), 20_000)
    await late
    expect(events).toHaveLength(length)
    expect(await during(call(instances[0]), 1000)).toBe('rejected')
  })

  test('as many successes as configured close it, whoever has them', async () => {
    const { instances, provider, call, during, events } = await opened(3, { settings: { successesToClose: 3 } })
    provider.fails = false
    for (const instance of instances) expect(await during(call(instance), 2100)).toBe('success')
    expect(events.at(-1)).toMatchObject({ type: 'closed', successes: 3 })
  })

  test('after closing, admissions grow until all are let in', async () => {
    const { instances, provider, time, call, during } = await opened(1)
    provider.fails = false
    await during(call(instances[0]), 200)
    const admitted: number[] = []
    for (let slice = 0; slice < 6; slice++) {
      const { reached } = provider
      for (let i = 0; i < 100; i++) time.after(i * 20, () => void call(instances[0]))
      await time.run(time.nowMs + 2000)
      admitted.push(provider.reached - reached)
    }
    expect(admitted[0]).toBeLessThan(35)
    expect(admitted[2]).toBeGreaterThan(admitted[0] ?? 0)
    expect(admitted[5]).toBe(100)
  })
})

describe('fencing', () => {
  test('results of calls admitted before it opened change nothing, neither failures nor successes', async () => {
    const { instances, time, provider, call, during, events, store } = fleet(2)
    const late = [new Error('late'), undefined].map((thrown) =>
      instances[1]?.execute(async () => {
        await time.sleep(70_000)
        if (thrown !== undefined) throw thrown
      }),
    )
    for (const one of late) one?.catch(() => undefined)
    provider.fails = true
    for (let i = 0; i < 5; i++) await during(call(instances[0]), 500)
    const retryAt = events[0]?.retryAtMs
    provider.fails = false
    await during(Promise.resolve(), 61_000)
    await during(call(instances[0]), 500)
    const { document } = store
    await during(Promise.allSettled(late.map((one) => Promise.resolve(one))), 10_000)
    expect(events.map(({ type }) => type)).toEqual(['opened', 'half_open', 'closed'])
    expect(events[0]?.retryAtMs).toBe(retryAt)
    expect(store.document).toEqual(document)
  })

  test('failures that arrive while it is open do not extend it', async () => {
    const { instances, provider, call, events, time } = fleet(1)
    provider.fails = true
    void Promise.all(Array.from({ length: 40 }, () => call(instances[0])))
    await time.run(5000)
    expect(events).toHaveLength(1)
    expect(events[0]?.retryAtMs).toBe((events[0]?.atMs ?? 0) + 60_000)
  })
})
