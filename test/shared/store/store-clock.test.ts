import fc from 'fast-check'
import { expect, test } from 'vitest'

import { StoreClock } from '../../../shared/store/store-clock.ts'

const HOUR_MS = 3_600_000
/** What the store's clock says when a test begins. */
const EPOCH_MS = 1_800_000_000_000

/** A machine that was started some time ago and whose wall clock is off by so much. */
function machine(offMs = 0) {
  const told: number[] = []
  const world = { storeMs: EPOCH_MS, monotonicMs: 12_345, wallMs: EPOCH_MS + offMs }
  const clock = new StoreClock({
    moment: () => ({ monotonicMs: world.monotonicMs, wallMs: world.wallMs }),
    onOff: (aheadMs) => told.push(aheadMs),
  })
  const pass = (ms: number, speed = 1) => {
    world.storeMs += ms
    world.monotonicMs += ms * speed
    world.wallMs += ms * speed
  }
  /** Asks the store, whose answer carries the time after `thereMs` and arrives after `backMs` more. */
  const ask = ({
    thereMs = 10,
    backMs = 10,
    by = 'read',
  }: {
    thereMs?: number
    backMs?: number
    by?: 'read' | 'write'
  }) => {
    const asked = clock.ask()
    pass(thereMs)
    const { storeMs } = world
    pass(backMs)
    clock.learn(asked, { storeMs, by })
  }
  /** How far the estimate is behind the store. */
  const behindMs = () => world.storeMs - clock.now()
  /** The machine sleeps: the store and the wall clock go on. */
  const suspend = (ms: number) => {
    world.storeMs += ms
    world.wallMs += ms
  }
  return { clock, world, told, pass, ask, behindMs, suspend }
}

test.each([-6, 0, 6])('a machine whose clock is %i h off knows the time from the first answer on', (hours) => {
  const { clock, ask, behindMs, pass } = machine(hours * HOUR_MS)
  expect(clock.isFresh()).toBe(false)
  ask({ thereMs: 40, backMs: 60 })
  expect(clock.isFresh()).toBe(true)
  expect(behindMs()).toBe(60)
  pass(30_000)
  expect(behindMs()).toBe(75)
  expect(clock.isFresh()).toBe(true)
})

test('the better of two answers counts, in whichever order they come', () => {
  const slow = { thereMs: 5, backMs: 900 }
  const fast = { thereMs: 5, backMs: 5 }
  const answers = [
    [slow, fast],
    [fast, slow],
  ]
  for (const order of answers) {
    const { ask, behindMs } = machine()
    for (const answer of order) ask(answer)
    expect(behindMs()).toBeLessThan(10)
  }
})

test('whatever the answers take and however fast the machine counts, the time is never ahead, and little behind while it is fresh', () => {
  const step = fc.record({
    pauseMs: fc.integer({ min: 0, max: 900_000 }),
    thereMs: fc.integer({ min: 0, max: 4_000 }),
    backMs: fc.integer({ min: 0, max: 4_000 }),
    by: fc.constantFrom('read' as const, 'write' as const),
  })
  fc.assert(
    fc.property(
      fc.array(step, { minLength: 1, maxLength: 30 }),
      fc.double({ min: -450e-6, max: 450e-6, noNaN: true }),
      fc.integer({ min: -6 * HOUR_MS, max: 6 * HOUR_MS }),
      (steps, drift, offMs) => {
        const { clock, pass, ask, behindMs } = machine(offMs)
        ask({})
        for (const { pauseMs, ...answer } of steps) {
          pass(pauseMs, 1 + drift)
          expect(behindMs()).toBeGreaterThanOrEqual(0)
          if (clock.isFresh()) expect(behindMs()).toBeLessThan(2_400)
          ask(answer)
          expect(behindMs()).toBeGreaterThanOrEqual(0)
        }
      },
    ),
  )
})

test('after ten minutes without an answer, and after a sleep of the machine, it must be read before anything is decided', () => {
  const idle = machine()
  idle.ask({})
  idle.pass(601_000)
  expect(idle.clock.isFresh()).toBe(false)
  idle.ask({ by: 'write' })
  expect(idle.clock.isFresh()).toBe(true)

  const asleep = machine()
  asleep.ask({})
  asleep.suspend(HOUR_MS)
  expect(asleep.clock.isFresh()).toBe(false)
  asleep.ask({})
  expect(asleep.clock.isFresh()).toBe(true)
  expect(asleep.behindMs()).toBe(10)
})

test('a machine whose clock is set meanwhile reads once more, and knows the same time', () => {
  const { clock, world, ask, behindMs } = machine(HOUR_MS)
  ask({})
  world.wallMs -= HOUR_MS
  expect(clock.isFresh()).toBe(false)
  expect(behindMs()).toBe(10)
})

test('a write that changes nothing tells when the document was changed last, and that is no time', () => {
  const { clock, world, ask, behindMs } = machine()
  const asked = clock.ask()
  clock.learn(asked, { storeMs: world.storeMs - HOUR_MS, by: 'write' })
  expect(clock.isFresh()).toBe(false)
  ask({})
  clock.learn(clock.ask(), { storeMs: world.storeMs - HOUR_MS, by: 'write' })
  expect(behindMs()).toBe(10)
})

test('a store whose clock was set back is followed from its next read on', () => {
  const { world, ask, behindMs } = machine()
  ask({})
  world.storeMs -= HOUR_MS
  ask({})
  expect(behindMs()).toBe(10)
})

test('that a clock is off is told once, with how far; a slow answer is no reason, nor is a sleep', () => {
  for (const [offMs, expected] of [
    [-HOUR_MS, [-HOUR_MS]],
    [HOUR_MS, [HOUR_MS]],
    [3_000, []],
  ] as const) {
    const { told, ask } = machine(offMs)
    ask({ thereMs: 0, backMs: 0 })
    ask({ thereMs: 0, backMs: 4_000 })
    expect(told).toEqual(expected)
  }
  const { told, clock, world, suspend } = machine()
  const asked = clock.ask()
  suspend(HOUR_MS)
  clock.learn(asked, { storeMs: world.storeMs - HOUR_MS, by: 'read' })
  expect(told).toEqual([])
})
