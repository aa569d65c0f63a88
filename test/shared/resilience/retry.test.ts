import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { equalJitterMs, waitsAtMost } from '../../../shared/resilience/backoff.ts'
import { withRetries } from '../../../shared/resilience/retry.ts'
import { RetryBudget } from '../../../shared/resilience/retry-budget.ts'
import { seededRandom } from '../seeded-random.ts'

const POLICY = { attemptsMax: 3, attemptTimeoutMs: 1000, totalTimeoutMs: 5000, backoff: { baseMs: 1, capMs: 2 } }

/** Time that passes only when somebody waits, or takes it. */
function virtualClock() {
  const clock = {
    nowMs: 0,
    pauses: [] as number[],
    monotonicMs: () => clock.nowMs,
    async pause(delayMs: number, signal: AbortSignal) {
      signal.throwIfAborted()
      clock.pauses.push(delayMs)
      clock.nowMs += delayMs
    },
  }
  return clock
}

const context = (budget: RetryBudget, clock = virtualClock(), signal = new AbortController().signal) => ({
  budget,
  signal,
  clock,
  random: seededRandom(1),
  mayRepeat: () => true,
})

/** Sends so many operations that all fail. @returns the requests that were made */
async function outage(operations: number, budget: RetryBudget): Promise<number> {
  let requests = 0
  const attempt = () => {
    requests++
    return Promise.reject(new Error('down'))
  }
  for (let i = 0; i < operations; i++) await withRetries(attempt, POLICY, context(budget)).catch(() => undefined)
  return requests
}

describe('a retry budget', () => {
  test('lets a full outage have at most a tenth more requests', async () => {
    for (const operations of [1, 9, 10, 100, 300])
      expect(await outage(operations, new RetryBudget())).toBeLessThanOrEqual(Math.floor(operations * 1.1))
    expect(await outage(300, new RetryBudget())).toBe(330)
  })

  test('keeps one repeat in hand and no more, however long all was well', async () => {
    const budget = new RetryBudget()
    for (let i = 0; i < 1000; i++) await withRetries(async () => 'well', POLICY, context(budget))
    expect([budget.spend(), budget.spend()]).toEqual([true, false])
  })
})

describe('retries', () => {
  test('end with the total time, and give the last attempt no more than is left', async () => {
    const given: number[] = []
    const clock = virtualClock()
    const attempt = async (timeoutMs: number) => {
      given.push(timeoutMs)
      clock.nowMs += 30.5
      throw new Error('slow')
    }
    const policy = { ...POLICY, attemptsMax: 100, totalTimeoutMs: 100, backoff: { baseMs: 0, capMs: 0 } }
    await expect(withRetries(attempt, policy, context(new RetryBudget(0), clock))).rejects.toThrow('slow')
    // In whole milliseconds, as timers want them.
    expect(given).toEqual([100, 70, 39, 9])
  })

  test('wait longer and longer in between, but never beyond the cap or the end', async () => {
    const clock = virtualClock()
    const policy = { attemptsMax: 9, attemptTimeoutMs: 1, totalTimeoutMs: 1e9, backoff: { baseMs: 100, capMs: 1_000 } }
    const most = { ...context(new RetryBudget(0), clock), random: () => 0.999 }
    await expect(withRetries(() => Promise.reject(new Error('down')), policy, most)).rejects.toThrow('down')
    expect(clock.pauses.map(Math.round)).toEqual([100, 200, 400, 799, 999, 999, 999, 999])
    const late = virtualClock()
    const short = { ...policy, totalTimeoutMs: 250 }
    await expect(withRetries(() => Promise.reject(new Error('down')), short, { ...most, clock: late })).rejects.toThrow(
      'down',
    )
    expect(late.nowMs).toBeLessThan(250)
  })

  test('stop with their signal, whatever the attempt threw', async () => {
    const stop = new AbortController()
    const attempt = async () => {
      stop.abort(new Error('over'))
      throw new Error('down')
    }
    const stopped = withRetries(attempt, POLICY, context(new RetryBudget(0), virtualClock(), stop.signal))
    await expect(stopped).rejects.toThrow('over')
  })

  test('are not made of what cannot succeed', async () => {
    let attempts = 0
    const attempt = async () => {
      attempts++
      throw new Error('refused')
    }
    const refuses = { ...context(new RetryBudget(0)), mayRepeat: () => false }
    await expect(withRetries(attempt, POLICY, refuses)).rejects.toThrow('refused')
    expect(attempts).toBe(1)
  })
})

test('waits for a provider are as many as the policy and the deadline allow, at most', () => {
  const policy = { baseMs: 2000, capMs: 60_000 }
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000_000 }),
      fc.infiniteStream(fc.double({ min: 0, max: 0.999 })),
      (totalMs, chances) => {
        let [atMs, waits] = [0, 0]
        while (atMs < totalMs) atMs += equalJitterMs(policy, waits++, () => chances.next().value as number)
        expect(waits).toBeLessThanOrEqual(waitsAtMost(policy, totalMs))
      },
    ),
    { numRuns: 50, verbose: 1 },
  )
})
