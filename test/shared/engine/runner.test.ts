import { describe, expect, test } from 'vitest'

import { countEvents, lasting, LEASE_MS, opened, withTools } from './by-hand.ts'
import type { ByHand, RunnerPart } from './by-hand.ts'
import type { Instance } from './world.ts'
import { StoreAway } from './world.ts'

/** The runner, one delivery at a time: what its lease, a crash, a lost write and an ending instance come to. */

const writeCalls = ({ world }: ByHand) => world.vendors.callsOfStep['write'] ?? 0

describe('a step whose work takes three leases', () => {
  test('is held all the while by renewals: the same task is refused, and nothing is done twice', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write', lasting(60_000))
    for (const afterMs of [10_000, 15_000, 15_000, 15_000]) {
      await bench.pass(afterMs)
      expect((await bench.carryOut('write')).kind).toBe('busy')
    }
    await bench.pass(20_000)
    expect((await bench.endOf(first)).kind).toBe('done')
    expect(writeCalls(bench)).toBe(1)
    expect(bench.step('write')).toMatchObject({ state: 'done', attempt: 1, paid: { calls: 1, repeats: 0 } })
  })

  test('is renewed often enough to miss two renewals', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write', lasting(60_000))
    const leases = new Set<number>()
    let leastMs = Infinity
    for (let second = 0; second < 58; second++) {
      await bench.pass(1_000)
      const untilMs = bench.step('write').lease?.untilMs ?? 0
      leases.add(untilMs)
      if (second > 0) leastMs = Math.min(leastMs, untilMs - bench.world.time.nowMs)
    }
    expect(leastMs).toBeGreaterThan(LEASE_MS / 2)
    expect(leases.size).toBeGreaterThan(8)
    await bench.pass(5_000)
    expect((await bench.endOf(first)).kind).toBe('done')
  })
})

describe('an attempt that has lost its step', () => {
  test('hears so at its next renewal, ends its work at once, and changes nothing', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write', lasting(600_000))
    await bench.pass(5_000)
    first.instance.freeze(40_000)
    await bench.pass(LEASE_MS + 5_000)
    const second = bench.deliver('write', lasting(600_000))
    await bench.pass(20_000)
    const sinceMs = bench.world.time.nowMs
    expect((await bench.endOf(first)).kind).toBe('fenced')
    expect(bench.world.time.nowMs).toBe(sinceMs)
    expect(bench.step('write')).toMatchObject({ state: 'running', attempt: 2, paid: { calls: 2, repeats: 1 } })
    await bench.pass(600_000)
    expect((await bench.endOf(second)).kind).toBe('done')
  })

  test('sends nothing, should it have been frozen before it could', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write')
    // Recorded, and about to send.
    await bench.passWhile(() => bench.step('write').paid === undefined)
    first.instance.freeze(LEASE_MS - 4_000)
    await bench.pass(2 * LEASE_MS)
    expect((await bench.endOf(first)).kind).toBe('tryAgain')
    expect(writeCalls(bench)).toBe(0)
    expect(bench.step('write')).toMatchObject({ state: 'pending', paid: { calls: 0, repeats: 0, open: false } })
  })

  test('sends nothing, should it have been frozen before it heard the answer to its renewal', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write')
    let renewals = 0
    bench.world.workflows.onLanded = ({ before, after }) => {
      const [lease, renewed] = [before, after].map(({ steps }) => steps['write']?.lease)
      if (lease === undefined || lease.token !== renewed?.token) return
      if (renewals++ === 0) first.instance.freeze(2 * LEASE_MS)
    }
    await bench.pass(3 * LEASE_MS)
    expect((await bench.endOf(first)).kind).toBe('tryAgain')
    expect(renewals).toBeGreaterThan(0)
    expect(writeCalls(bench)).toBe(0)
    expect(bench.step('write')).toMatchObject({ state: 'pending', paid: { calls: 0, repeats: 0, open: false } })
  })

  test('sends nothing while the store does not take its renewals', async () => {
    const bench = await opened('write')
    let away = false
    const first = bench.deliver('write', (instance) => ({
      store: {
        ...instance.store,
        move: (...args) => (away ? Promise.reject(new StoreAway()) : instance.store.move(...args)),
      },
      ...withTools(instance, {
        passing: async (point) => {
          away = true
          await instance.clock.sleep(LEASE_MS * 0.8)
          // Not before its call is to be recorded.
          void instance.clock.sleep(1_000).then(() => (away = false))
          await instance.passing(point)
        },
      }),
    }))
    await bench.pass(2 * LEASE_MS)
    expect((await bench.endOf(first)).kind).toBe('waiting')
    expect(countEvents(bench, 'step.heartbeat_failed')).toBeGreaterThan(0)
    expect(writeCalls(bench)).toBe(0)
  })
})

describe('after a crash', () => {
  test('the result that was kept is found, not paid for again, and no repeat is told', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write', lasting(1_000))
    await bench.passWhile(() => !bench.world.vendors.find('g1-write'))
    first.instance.kill()
    await bench.pass(LEASE_MS)
    expect((await bench.carryOut('write')).kind).toBe('adopted')
    expect(writeCalls(bench)).toBe(1)
    expect(bench.step('write').paid).toMatchObject({ calls: 1, repeats: 0, open: false })
    expect(bench.world.order.results['write']).toEqual({ by: 'write-1' })
  })

  test('a call whose end nobody saw is made once more, and told', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write', lasting(5_000))
    await bench.pass(2_000)
    first.instance.kill()
    await bench.pass(LEASE_MS)
    expect((await bench.carryOut('write')).kind).toBe('done')
    expect([writeCalls(bench), bench.step('write').paid]).toMatchObject([2, { calls: 2, repeats: 1, open: false }])
  })

  test('a job that was made and not recorded is found, and none is made beside it', async () => {
    const bench = await opened('transcribe')
    const first = bench.deliver('transcribe')
    await bench.passWhile(() => bench.world.vendors.jobKeys().length === 0)
    first.instance.kill()
    await bench.pass(LEASE_MS)
    expect(['polling', 'done']).toContain((await bench.carryOut('transcribe')).kind)
    expect(bench.world.vendors.jobsMade['transcribe']).toBe(1)
    expect(bench.step('transcribe').job?.providerJobId).toBe('o1-g1-transcribe-1')
  })

  test('between the last write and what follows, the same task enqueues what follows', async () => {
    const bench = await opened('transcribe')
    const stepsWaiting = () => [...bench.world.tasks.waiting.values()].map(({ task }) => task.step)
    // The queue goes away the moment the step is done.
    const withoutQueue = (instance: Instance): RunnerPart => ({
      queue: {
        enqueue: (id, task) =>
          bench.step('transcribe').state === 'done'
            ? Promise.reject(new StoreAway())
            : instance.queue.enqueue(id, task),
      },
    })
    let outcome = ''
    while (outcome !== 'threw') {
      await bench.passUntil(bench.step('transcribe').nextCheckAtMs ?? 0)
      ;({ kind: outcome } = await bench.carryOut('transcribe', withoutQueue))
    }
    expect(bench.step('transcribe').state).toBe('done')
    expect(stepsWaiting()).not.toContain('write')
    expect((await bench.carryOut('transcribe')).kind).toBe('stale')
    expect(stepsWaiting()).toEqual(expect.arrayContaining(['write', 'voice']))
  })
})

describe('the last write', () => {
  /** A store that does not answer settling writes until `untilMs`. */
  const awayUntil = (bench: ByHand, untilMs: () => number) => (instance: Instance) => ({
    store: {
      ...instance.store,
      move: ((...args: Parameters<Instance['store']['move']>) =>
        bench.world.vendors.find('g1-write') && bench.world.time.nowMs < untilMs()
          ? Promise.reject(new StoreAway())
          : instance.store.move(...args)) as Instance['store']['move'],
    },
  })

  test('is tried again while the store is away, and nothing is done twice', async () => {
    const bench = await opened('write')
    let sinceMs = Infinity
    const untilMs = () => {
      sinceMs = Math.min(sinceMs, bench.world.time.nowMs)
      return sinceMs + 6_000
    }
    const { kind: outcome } = await bench.carryOut('write', awayUntil(bench, untilMs))
    expect(outcome).toBe('done')
    expect(countEvents(bench, 'step.settle_retried')).toBeGreaterThan(2)
    expect([writeCalls(bench), bench.step('write')]).toMatchObject([1, { state: 'done', attempt: 1 }])
  })

  test('is given up when the lease may be over, and its task comes again', async () => {
    const bench = await opened('write')
    const delivery = bench.deliver(
      'write',
      awayUntil(bench, () => Infinity),
    )
    await bench.passWhile(() => countEvents(bench, 'step.settle_retried') === 0)
    const sinceMs = bench.world.time.nowMs
    await bench.pass(LEASE_MS)
    expect(await bench.endOf(delivery)).toMatchObject({ kind: 'threw', error: expect.any(StoreAway) as StoreAway })
    expect(bench.world.time.nowMs - sinceMs).toBeLessThanOrEqual(LEASE_MS)
    expect((await bench.carryOut('write')).kind).toBe('adopted')
    expect(writeCalls(bench)).toBe(1)
  })
})

describe('an instance that is ending', () => {
  test('lets go of a step whose call has not left, and the next goes on at once', async () => {
    const bench = await opened('write')
    let isAsking = false
    const first = bench.deliver('write', (instance) =>
      withTools(instance, {
        passing: () => {
          isAsking = true
          return new Promise((_, reject) => instance.signal.addEventListener('abort', reject))
        },
      }),
    )
    await bench.passWhile(() => !isAsking)
    first.instance.interrupt()
    await bench.pass(1_000)
    expect((await bench.endOf(first)).kind).toBe('interrupted')
    expect(bench.step('write')).toMatchObject({ state: 'pending', attempt: 0 })
    expect(bench.step('write')).not.toHaveProperty('paid')
    expect((await bench.carryOut('write')).kind).toBe('done')
  })

  test('keeps a step whose paid call may have gone through, until its lease is over', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write', lasting(30_000))
    await bench.passWhile(() => writeCalls(bench) === 0)
    first.instance.interrupt()
    await bench.pass(1_000)
    expect((await bench.endOf(first)).kind).toBe('interrupted')
    expect((await bench.carryOut('write')).kind).toBe('busy')
    await bench.pass(LEASE_MS)
    expect((await bench.carryOut('write')).kind).toBe('done')
    expect(bench.step('write').paid).toMatchObject({ calls: 2, repeats: 1 })
  })

  test('keeps a job that may have been made unheard, until its lease is over, and makes no other', async () => {
    const bench = await opened('transcribe')
    const first = bench.deliver('transcribe', (instance) =>
      withTools(instance, {
        passing: (point) =>
          point === 'ask'
            ? instance.passing(point)
            : new Promise((_, reject) => instance.signal.addEventListener('abort', () => reject(new Error('aborted')))),
      }),
    )
    const jobsMade = () => bench.world.vendors.jobsMade['transcribe'] ?? 0
    await bench.passWhile(() => jobsMade() === 0)
    first.instance.interrupt()
    await bench.pass(1_000)
    expect((await bench.endOf(first)).kind).toBe('interrupted')
    expect((await bench.carryOut('transcribe')).kind).toBe('busy')
    await bench.pass(LEASE_MS)
    await bench.carryOut('transcribe')
    expect(jobsMade()).toBe(1)
  })
})

test('a result that landed unheard leads on, without a sweep', async () => {
  const bench = await opened('write')
  await bench.carryOut('voice')
  let losses = 0
  const unheard = bench.carryOut('write', (instance) => ({
    store: {
      ...instance.store,
      move: async (...args) => {
        const landed = await instance.store.move(...args)
        const isDone = bench.step('write').state === 'done'
        if (isDone && losses++ === 0) throw new StoreAway('no answer')
        return landed
      },
    },
  }))
  expect((await unheard).kind).toBe('fenced')
  expect(losses).toBeGreaterThan(0)
  const names = [...bench.world.tasks.waiting.values()].map(({ task }) => task.step)
  expect(names).toContain('master')
})
