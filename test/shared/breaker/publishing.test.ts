import { describe, expect, test } from 'vitest'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import type { BreakerEvent, ProbeResult } from '../../../shared/breaker/transitions.ts'
import { seededRandom } from '../seeded-random.ts'
import { VirtualTime } from '../virtual-time.ts'
import { VirtualStore } from './virtual-world.ts'

/** Instances that have all looked at the store at the beginning, and calls of theirs that end when the test says so. */
async function fleet(count: number) {
  const time = new VirtualTime()
  const store = new VirtualStore(time)
  const events: BreakerEvent[] = []
  const instances = Array.from(
    { length: count },
    (_, index) =>
      new CircuitBreaker({
        name: 'gemini',
        store,
        clock: time.clock(),
        random: seededRandom(index),
        onEvent: (event) => events.push(event),
      }),
  )
  /** Whether an instance lets a call through, as the store stands; undefined when it has to wait for that. */
  const admits = async (instance: number): Promise<boolean | undefined> => {
    let admitted: boolean | undefined
    void instances[instance]?.admit().then(
      () => (admitted = true),
      (error: unknown) => (admitted = !(error instanceof BreakerOpenError)),
    )
    await time.run(time.nowMs + 30)
    return admitted
  }
  for (const index of instances.keys()) expect(await admits(index)).toBe(true)
  /** One call of an instance, admitted while all was well, ends at that time. */
  const endAt = async (atMs: number, instance: number, result: ProbeResult): Promise<void> => {
    await time.run(atMs)
    void instances[instance]?.settle({ generation: 0, probe: undefined }, result)
  }
  const ledgerFailures = (): number => {
    const record = store.document?.data as { ledger: { failures: number }[] } | undefined
    return (record?.ledger ?? []).reduce((sum, { failures }) => sum + failures, 0)
  }
  return { time, store, events, instances, admits, endAt, ledgerFailures }
}

describe('failures that only several instances together have had, with a success among them', () => {
  /** Five failures of five instances from 1000 ms on, and a sixth that its instance has with all of them before its eyes. */
  async function suspicion() {
    const world = await fleet(6)
    await world.endAt(1000, 0, 'failure')
    await world.endAt(1100, 1, 'success')
    await world.endAt(1110, 1, 'failure')
    await world.endAt(1200, 2, 'failure')
    await world.endAt(1250, 3, 'failure')
    await world.endAt(1300, 4, 'failure')
    await world.endAt(1400, 4, 'failure')
    return world
  }

  test('are confirmed for a second before the fleet opens, without another call, while the instance protects itself', async () => {
    const { events, admits, time } = await suspicion()
    await time.run(1900)
    expect(events).toEqual([])
    expect([await admits(4), await admits(0)]).toEqual([false, true])
    await time.run(2600)
    expect(events).toMatchObject([{ type: 'opened', failures: 6, successes: 1 }])
  })

  test('do not open it when the successes of others arrive meanwhile', async () => {
    const { events, admits, time, endAt } = await suspicion()
    for (let i = 0; i < 8; i++) await endAt(1500, 5, 'success')
    await endAt(1510, 5, 'failure')
    await time.run(10_000)
    expect(events).toEqual([])
    expect(await admits(4)).toBe(true)
  })
})

test.for([
  [5, [{ type: 'opened', failures: 5, successes: 5 }]],
  [6, []],
] as const)('with five failures %i successes are few enough, or one too many', async ([successes, expected]) => {
  const { events, time, endAt } = await fleet(1)
  await endAt(1000, 0, 'failure')
  for (let i = 0; i < successes; i++) await endAt(2100 + i, 0, 'success')
  for (let i = 1; i < 5; i++) await endAt(3000 + 1000 * i, 0, 'failure')
  await time.run(20_000)
  expect(events).toMatchObject(expected)
})

test('a read that was asked for before our own write, and answered after it, changes nothing', async () => {
  const { events, time, store, instances, endAt } = await fleet(1)
  let reads = 0
  store.weather = (operation) => ({ latencyMs: operation === 'read' && reads++ === 0 ? 140 : 10, fate: 'well' })
  await time.run(3000)
  const admitted = instances[0]?.admit()
  admitted?.catch(() => undefined)
  // What the slow read will answer is what is there at 3070 ms.
  await endAt(3080, 0, { reason: 'throttled', forMs: 20_000 })
  await time.run(3110)
  expect(events).toMatchObject([{ type: 'opened', reason: 'throttled' }])
  await time.run(3200)
  await expect(admitted).rejects.toBeInstanceOf(BreakerOpenError)
  expect(instances[0]?.state).toBe('open')
})

test('results whose publication landed unheard are published again and count once', async () => {
  const { events, time, store, endAt, admits, ledgerFailures } = await fleet(1)
  let writes = 0
  store.weather = (operation) => ({
    latencyMs: 10,
    fate: operation === 'write' && writes++ === 0 ? 'lost' : 'well',
  })
  await endAt(1000, 0, 'failure')
  await time.run(1100)
  expect(ledgerFailures()).toBe(1)
  // Its answer is waited for no longer, and the store is found again by the next look.
  for (let second = 3; second < 12; second++) {
    await time.run(second * 1000)
    expect(await admits(0)).toBe(true)
  }
  await endAt(12_000, 0, 'failure')
  await endAt(14_000, 0, 'failure')
  await endAt(16_000, 0, 'failure')
  await time.run(18_000)
  expect([ledgerFailures(), events]).toEqual([4, []])
})

test('a batch that lands late, while the next one is being written, counts once', async () => {
  const { time, store, endAt, ledgerFailures } = await fleet(1)
  const writes = [
    { latencyMs: 10, fate: 'refused' },
    { latencyMs: 2600, fate: 'well' },
    { latencyMs: 400, fate: 'well' },
  ] as const
  let written = 0
  store.weather = (operation) =>
    (operation === 'write' ? writes[written++] : undefined) ?? { latencyMs: 10, fate: 'well' }
  await endAt(1000, 0, 'failure')
  await time.run(2190)
  expect(store.document).toBeUndefined()
  // Reads that the first batch is not there, and finds it there when it wants to write both.
  await endAt(2200, 0, 'failure')
  await time.run(2400)
  expect(ledgerFailures()).toBe(1)
  await time.run(4000)
  expect([ledgerFailures(), written]).toEqual([2, 4])
})

test('the answer to our own write that comes after a newer read changes nothing', async () => {
  const { time, store, instances, admits, endAt } = await fleet(2)
  let writes = 0
  store.weather = (operation) => ({ latencyMs: operation === 'write' && writes++ === 0 ? 600 : 10, fate: 'well' })
  await endAt(3000, 0, 'failure')
  await endAt(3400, 1, { reason: 'throttled', forMs: 20_000 })
  // Finds out that the other has opened it.
  await endAt(3450, 0, { reason: 'throttled', forMs: 20_000 })
  await time.run(3500)
  expect(instances[0]?.state).toBe('open')
  await time.run(3700)
  expect([instances[0]?.state, await admits(0)]).toEqual(['open', false])
})
