import { describe, expect, test } from 'vitest'

import type { Attempt } from '../../../shared/engine/attempt.ts'
import { QUIET_MS_MAX } from '../../../shared/engine/limits.ts'
import { AttemptProgress } from '../../../shared/engine/progress.ts'
import { countEvents, LEASE_MS, opened, withTools } from './by-hand.ts'
import type { Order } from './fake-pipeline.ts'
import type { Instance } from './world.ts'

/** A worker that shows no progress renews no lease, and keeps nobody else from its step. In virtual time. */

/** Work that never ends, whatever its signal says. */
const hanging =
  (work: (attempt: Attempt<Order>, instance: Instance) => void = () => undefined) =>
  (instance: Instance) =>
    withTools(instance, {
      working: (attempt) => {
        work(attempt, instance)
        return new Promise<void>(() => undefined)
      },
    })

describe('an attempt that hangs', () => {
  test('ends, though it hears no signal, and the next one does the work', async () => {
    const bench = await opened('write')
    const first = bench.deliver('write', hanging())
    await bench.pass(QUIET_MS_MAX - LEASE_MS)
    expect(bench.step('write')).toMatchObject({ state: 'running', attempt: 1 })
    await bench.pass(2 * LEASE_MS)
    expect((await bench.endOf(first)).kind).toBe('tryAgain')
    expect(countEvents(bench, 'step.hung')).toBe(1)
    // The call had left: what became of it is not known.
    expect(bench.step('write')).toMatchObject({ state: 'pending', paid: { calls: 1, open: true } })
    await bench.passUntil(bench.step('write').nextCheckAtMs ?? 0)
    expect((await bench.carryOut('write')).kind).toBe('done')
    expect(bench.step('write')).toMatchObject({ state: 'done', attempt: 2, paid: { calls: 2, repeats: 1 } })
  })

  test('has renewed no lease since, even where it cannot say how it ended', async () => {
    const bench = await opened('write')
    bench.deliver('write', hanging())
    const untilMs = new Set<number>()
    const sinceMs = bench.world.time.nowMs
    while (bench.world.time.nowMs < sinceMs + QUIET_MS_MAX + LEASE_MS) {
      untilMs.add(bench.step('write').lease?.untilMs ?? 0)
      await bench.pass(1_000)
    }
    expect(Math.max(...untilMs)).toBeLessThanOrEqual(sinceMs + QUIET_MS_MAX + 2 * LEASE_MS)
  })

  test('sends nothing any more', async () => {
    const bench = await opened('write')
    let attempt: Attempt<Order> | undefined
    const first = bench.deliver(
      'write',
      hanging((one) => void (attempt = one)),
    )
    await bench.pass(QUIET_MS_MAX + 2 * LEASE_MS)
    await bench.endOf(first)
    expect(attempt?.signal.aborted).toBe(true)
    expect(() => attempt?.call.stillEntitled?.()).toThrow('nothing was heard')
  })

  test('gives up after its attempts, and falls back', async () => {
    const bench = await opened('voice')
    for (let times = 0; times < 10 && bench.step('voice').state !== 'done'; times++) {
      await bench.passUntil(bench.step('voice').nextCheckAtMs ?? 0)
      const one = bench.deliver('voice', hanging())
      await bench.pass(QUIET_MS_MAX + 2 * LEASE_MS)
      await bench.endOf(one)
    }
    expect(bench.step('voice')).toMatchObject({ state: 'done', provider: 'here', paid: { repeats: 1 } })
  })
})

describe('an attempt that takes long', () => {
  test.each<[string, (attempt: Attempt<Order>) => void]>([
    ['bytes move', (attempt) => attempt.call.progress?.advance()],
    ['it says what it is at', (attempt) => attempt.tell('at work')],
  ])('goes on while %s', async (_how, show) => {
    const bench = await opened('write')
    const first = bench.deliver('write', (instance) =>
      withTools(instance, {
        working: async (attempt) => {
          for (let times = 0; times < 20; times++) {
            await instance.clock.sleep(QUIET_MS_MAX / 2)
            show(attempt)
          }
        },
      }),
    )
    await bench.pass(11 * QUIET_MS_MAX)
    expect((await bench.endOf(first)).kind).toBe('done')
    expect(bench.step('write')).toMatchObject({ attempt: 1 })
  })

  test('goes on for as long as it has said that nothing may be heard, and hangs after that', async () => {
    const bench = await opened('write')
    const first = bench.deliver(
      'write',
      hanging((attempt) => void attempt.call.progress?.expectQuiet(480_000)),
    )
    await bench.pass(480_000)
    expect(bench.step('write')).toMatchObject({ state: 'running', attempt: 1 })
    await bench.pass(QUIET_MS_MAX + 2 * LEASE_MS)
    expect((await bench.endOf(first)).kind).toBe('tryAgain')
  })
})

test('what one part of the work waits for does not end with another', () => {
  let nowMs = 0
  const progress = new AttemptProgress({ monotonicMs: () => nowMs })
  const [long, short] = [progress.expectQuiet(1_000_000), progress.expectQuiet(10)]
  short()
  nowMs = 1_000_000
  expect(progress.hangs).toBe(false)
  long()
  nowMs += QUIET_MS_MAX
  expect(progress.hangs).toBe(false)
  nowMs += 1
  expect(progress.hangs).toBe(true)
  progress.advance()
  expect(progress.hangs).toBe(false)
})
