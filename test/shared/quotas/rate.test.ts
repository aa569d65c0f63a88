import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { available, giveBack, perMinute, take, waitMs } from '../../../shared/quotas/gcra.ts'
import { RateLimiter } from '../../../shared/quotas/rate-limiter.ts'
import type { SharedRate } from '../../../shared/quotas/rate-limiter.ts'
import { seededRandom } from '../seeded-random.ts'

const policies = fc.integer({ min: 1, max: 10_000 }).map(perMinute)

describe('a rate with bursts', () => {
  test('never lets through more than its burst and what has come back since, in any stretch of time', () => {
    const calls = fc.array(fc.record({ afterMs: fc.nat(5_000), wanted: fc.integer({ min: 1, max: 500 }) }), {
      maxLength: 60,
    })
    fc.assert(
      fc.property(policies, calls, (policy, sequence) => {
        let [arrivalMs, nowMs] = [0, 1_000_000]
        const taken: { atMs: number; count: number }[] = []
        for (const { afterMs, wanted } of sequence) {
          nowMs += afterMs
          const step = take(arrivalMs, policy, nowMs, wanted)
          expect(step.taken).toBe(Math.min(wanted, available(arrivalMs, policy, nowMs)))
          arrivalMs = step.arrivalMs
          taken.push({ atMs: nowMs, count: step.taken })
        }
        for (const [from, { atMs }] of taken.entries()) {
          let sum = 0
          for (const later of taken.slice(from)) {
            sum += later.count
            const most = policy.burst + ((later.atMs - atMs) * policy.requests) / policy.windowMs
            expect(sum).toBeLessThanOrEqual(most + 1e-3)
          }
        }
      }),
    )
  })

  test('says truly how long to wait, and takes back what was not used', () => {
    fc.assert(
      fc.property(policies, fc.integer({ min: 1, max: 2_000 }), fc.nat(100), (policy, wanted, more) => {
        const nowMs = 1_000_000
        const { arrivalMs, taken } = take(0, policy, nowMs, wanted)
        const count = Math.min(policy.burst, 1 + more)
        const soonMs = waitMs(arrivalMs, policy, nowMs, count)
        expect(available(arrivalMs, policy, nowMs + soonMs + 1e-3)).toBeGreaterThanOrEqual(count)
        if (soonMs > 1) expect(available(arrivalMs, policy, nowMs + soonMs - 1)).toBeLessThan(count)
        expect(available(giveBack(arrivalMs, policy, taken), policy, nowMs)).toBe(policy.burst)
      }),
    )
  })
})

/** A fleet in time of its own: instances whose clocks begin anywhere, and a store that counts what it is asked. */
function fleet(instances: number) {
  const world = { nowMs: 0, trades: 0, down: false, arrivalMs: 0 }
  const shared: SharedRate = {
    async trade(_userId, policy, unused, wanted) {
      world.trades++
      if (world.down) throw new Error('the store is away')
      const storeMs = 1_700_000_000_000 + world.nowMs
      const { arrivalMs, taken } = take(giveBack(world.arrivalMs, policy, unused), policy, storeMs, wanted)
      world.arrivalMs = arrivalMs
      return { taken, arrivalMs, nowMs: storeMs }
    },
  }
  const limiters = Array.from(
    { length: instances },
    (_, index) =>
      new RateLimiter(
        shared,
        () => world.nowMs + index * 1e7,
        () => undefined,
      ),
  )
  const [first] = limiters
  if (first === undefined) throw new Error('a fleet of nobody')
  return { world, limiters, first }
}

const HOUR_MS = 3_600_000

/** An hour of calls at a share of the limit, each to any of ten instances. */
async function hour(limit: number, share: number, seed: number, obeys: boolean) {
  const { world, limiters } = fleet(10)
  const random = seededRandom(seed)
  const [made, refused] = [new Array<number>(), new Array<number>()]
  let waitUntilMs = 0
  while (world.nowMs < HOUR_MS) {
    // Calls come at random, as a crowd of users makes them.
    world.nowMs += (-Math.log(1 - random()) * 60_000) / (limit * share)
    if (obeys && world.nowMs < waitUntilMs) world.nowMs = waitUntilMs
    const answer = await limiters[Math.floor(random() * limiters.length)]?.take('alice', limit)
    ;(answer?.allowed ? made : refused).push(world.nowMs)
    if (answer?.remaining === 0) waitUntilMs = world.nowMs + answer.resetSeconds * 1000
  }
  return { made, refused, trades: world.trades }
}

describe('a limit over ten instances', () => {
  test.each([60, 600, 6_000])('of %i a minute refuses nobody who keeps to 80 % of it, for an hour', async (limit) => {
    for (const seed of [1, 2, 3]) {
      const { made, refused, trades } = await hour(limit, 0.8, seed, true)
      expect(refused.length).toBe(0)
      expect(made.length).toBeGreaterThan(limit * 60 * 0.7)
      // Most checks cost no store call.
      if (limit >= 600) expect(trades).toBeLessThan(made.length / 2)
    }
  })

  test('lets no more than one in a hundred through beyond it, whatever is asked for', async () => {
    const limit = 600
    const { made, refused, trades } = await hour(limit, 3, 7, false)
    expect(made.length).toBeLessThanOrEqual((limit * 60 + limit / 6) * 1.01)
    expect(made.length).toBeGreaterThan(limit * 60 * 0.97)
    expect(refused.length).toBeGreaterThan(made.length)
    // In any minute, too.
    for (let from = 0, until = 0; from < made.length; from++) {
      while (until < made.length && (made[until] ?? 0) - (made[from] ?? 0) < 60_000) until++
      expect(until - from).toBeLessThanOrEqual((limit + limit / 6) * 1.01)
    }
    expect(trades).toBeLessThan((made.length + refused.length) / 2)
  })

  test('asks the store once for all who come at once, and not again while they are refused', async () => {
    const { world, first } = fleet(1)
    const answers = await Promise.all(Array.from({ length: 50 }, () => first.take('alice', 60)))
    expect(answers.filter(({ allowed }) => allowed)).toHaveLength(10)
    expect(world.trades).toBeLessThanOrEqual(2)
    const asked = world.trades
    const refusal = await first.take('alice', 60)
    expect(refusal).toEqual({ allowed: false, remaining: 0, resetSeconds: 10, retryAfterSeconds: 1 })
    expect(world.trades).toBe(asked)
    world.nowMs += 1_000
    expect(await first.take('alice', 60)).toMatchObject({ allowed: true })
  })

  test('keeps people apart', async () => {
    const { first } = fleet(1)
    for (let i = 0; i < 20; i++) await first.take('alice', 60)
    expect(await first.take('alice', 60)).toMatchObject({ allowed: false })
  })
})

test('without the store each instance goes by its own count of the whole rate, and asks again now and then', async () => {
  const { world, limiters, first } = fleet(2)
  world.down = true
  const through = async () => {
    let count = 0
    for (let i = 0; i < 30; i++) if ((await first.take('alice', 60)).allowed) count++
    return count
  }
  expect(await through()).toBe(10)
  expect(world.trades).toBe(1)
  expect(await limiters[1]?.take('alice', 60)).toMatchObject({ allowed: true })
  world.nowMs += 3_000
  expect(await through()).toBe(3)
  world.down = false
  world.nowMs += 3_000
  expect(await first.take('alice', 60)).toMatchObject({ allowed: true })
  expect(world.arrivalMs).toBeGreaterThan(0)
})
