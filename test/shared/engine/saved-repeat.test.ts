import { expect, test } from 'vitest'

import { afterFailure } from '../../../shared/engine/after-failure.ts'
import type { FailedAttempt } from '../../../shared/engine/after-failure.ts'

/** The one repeat of a paid call whose end nobody saw. */

const NOW_MS = 1_000_000_000
const AWAY_SINCE_MS = NOW_MS - 1_000

/** @returns how long is waited before the next request, in ms */
function pauseAfter(more: Partial<FailedAttempt>, repeats = 0, ambiguous = true): number {
  const attempt: FailedAttempt = {
    failure: { kind: 'away', service: 'vendor', sent: true, ambiguous, retryAfterMs: 0, technical: 'reset' },
    kind: 'call',
    provider: 'vendor',
    hasNextProvider: false,
    step: {
      state: 'running',
      attempt: 1,
      dispatch: 1,
      unavailable: { service: 'vendor', sinceMs: AWAY_SINCE_MS, waits: 3, untilMs: NOW_MS },
      paid: { calls: 1 + repeats, repeats, open: true },
    },
    callCounted: true,
    callLeft: true,
    wasCharged: false,
    mayFallBack: true,
    isUpgrade: false,
    startedAtMs: NOW_MS - 500,
    jitter: 0.5,
    errorId: 'e1',
    ...more,
  }
  const decision = afterFailure(attempt, { fallbackAfterMs: 120_000, deadlineMs: 86_400_000 }, NOW_MS)
  return decision.next === 'settle' && 'afterMs' in decision.outcome ? decision.outcome.afterMs : NaN
}

test('is made when the step may go on without its provider, and not before', () => {
  expect(pauseAfter({})).toBe(119_000)
  expect(pauseAfter({ mayFallBack: false, hasNextProvider: true })).toBe(119_000)
  expect(pauseAfter({ mayFallBack: false })).toBe(119_000)
})

test('is not saved where there is none left, the end was seen, or nothing was charged', () => {
  expect(pauseAfter({}, 1)).toBe(12_000)
  expect(pauseAfter({}, 0, false)).toBe(12_000)
  expect(pauseAfter({ callLeft: false }, 0, false)).toBe(12_000)
  expect(pauseAfter({ kind: 'job', callCounted: false })).toBe(12_000)
})

test('that is lost as well is followed by one more a day later, where another provider has refused', () => {
  const step = {
    state: 'running',
    attempt: 1,
    dispatch: 1,
    passedOver: ['another'],
    unavailable: { service: 'vendor', sinceMs: AWAY_SINCE_MS, waits: 3, untilMs: NOW_MS },
    paid: { calls: 2, repeats: 1, open: true },
  } as const
  const alone = { mayFallBack: false, step: { ...step, passedOver: [...step.passedOver] } }
  expect(pauseAfter(alone, 1)).toBe(86_400_000)
  expect(pauseAfter({ ...alone, isUpgrade: true }, 1)).toBeNaN()
  // With one provider the next attempt ends the step.
  expect(pauseAfter({ mayFallBack: false }, 1)).toBe(12_000)
})
