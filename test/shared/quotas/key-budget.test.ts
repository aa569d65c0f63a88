import { describe, expect, test } from 'vitest'

import { take } from '../../../shared/quotas/gcra.ts'
import { KeyBudget } from '../../../shared/quotas/key-budget.ts'
import type { SharedRate } from '../../../shared/quotas/rate-limiter.ts'

const PER_DAY = 20_000
const DAY_MS = 86_400_000

function world() {
  const clock = { nowMs: 0, trades: 0, isAway: false }
  const arrivals = new Map<string, number>()
  const shared: SharedRate = {
    async trade(userId, policy, _unused, wanted) {
      clock.trades++
      if (clock.isAway) throw new Error('away')
      const taken = take(arrivals.get(userId) ?? 0, policy, clock.nowMs, wanted)
      arrivals.set(userId, taken.arrivalMs)
      return { ...taken, nowMs: clock.nowMs }
    },
  }
  return { clock, open: () => new KeyBudget(shared, () => clock.nowMs) }
}

describe('Idempotency-Keys of one person', () => {
  test('are bounded over all instances, refused with a reason, and come back; others have their own', async () => {
    const { clock, open } = world()
    const [one, other] = [open(), open()]
    for (let used = 0; used < PER_DAY; used += 2) await Promise.all([one.use('alice'), other.use('alice')])
    expect(clock.trades).toBeLessThanOrEqual(PER_DAY / 50 + 2)
    await expect(one.use('alice')).rejects.toMatchObject({
      kind: 'quota_exceeded',
      details: { quota: 'idempotencyKeys', limit: PER_DAY },
    })
    const asked = clock.trades
    await expect(one.use('alice')).rejects.toMatchObject({ kind: 'quota_exceeded' })
    expect(clock.trades).toBe(asked)
    await one.use('bob')
    clock.nowMs += DAY_MS / PER_DAY + 1
    await one.use('alice')
  })

  test('that come at once share what is taken ahead', async () => {
    const { clock, open } = world()
    const budget = open()
    await Promise.all(Array.from({ length: 120 }, () => budget.use('alice')))
    expect(clock.trades).toBe(3)
  })

  test('are let through while the store is away, which their records need as well', async () => {
    const { clock, open } = world()
    clock.isAway = true
    await expect(open().use('alice')).resolves.toBeUndefined()
  })
})
