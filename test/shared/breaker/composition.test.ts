import { ConstantBackoff, fallback, handleAll, handleWhen, retry, timeout, TimeoutStrategy, wrap } from 'cockatiel'
import { expect, test } from 'vitest'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import { asCockatielPolicy } from '../../../shared/breaker/cockatiel.ts'
import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import { asHttpError } from '../../../shared/http/http-error.ts'
import { meaningOf, ProviderError } from '../../../shared/providers/provider-error.ts'
import type { ProviderErrorFields } from '../../../shared/providers/provider-error.ts'
import { ConcurrencyLimit } from '../../../shared/resilience/concurrency-limit.ts'

const failing = () => Promise.reject(new Error('down'))

test('in cockatiel: fallback around retry around breaker around timeout', async () => {
  const breaker = new CircuitBreaker({ name: 'gemini' })
  const policy = asCockatielPolicy(breaker)
  let heard = 0
  const listening = policy.onFailure(() => void heard++)
  const sent: AbortSignal[] = []
  const composed = wrap(
    fallback(handleAll, 'instead'),
    retry(
      handleWhen((error) => !(error instanceof BreakerOpenError)),
      { maxAttempts: 9, backoff: new ConstantBackoff(1) },
    ),
    policy,
    timeout(1000, TimeoutStrategy.Aggressive),
  )
  const result = await composed.execute(({ signal }) => {
    sent.push(signal)
    return failing()
  })
  expect(result).toBe('instead')
  // The fifth failure opens it, and an open breaker is not retried.
  expect([sent.length, heard, breaker.state]).toEqual([5, 6, 'open'])
  listening.dispose()
  await expect(policy.execute(failing)).rejects.toBeInstanceOf(BreakerOpenError)
  expect(heard).toBe(6)
})

test('alone: rejections are typed, say when to come back, and cost no call', async () => {
  const breaker = new CircuitBreaker({ name: 'gemini' })
  for (let i = 0; i < 5; i++) await expect(breaker.execute(failing)).rejects.toThrow('down')
  let called = false
  const rejected: unknown = await breaker.execute(() => (called = true)).catch((error: unknown) => error)
  expect(rejected).toBeInstanceOf(BreakerOpenError)
  expect(rejected).toMatchObject({ breaker: 'gemini', reason: 'failures' })
  expect(asHttpError(rejected)).toMatchObject({
    code: 'service_unavailable',
    status: 503,
    retryable: true,
    technical: "Circuit breaker 'gemini' is OPEN",
    details: { breaker: 'gemini' },
    message: 'A service we depend on is temporarily unavailable. Please try again shortly.',
  })
  expect((rejected as BreakerOpenError).retryAfterMs / 60_000).toBeCloseTo(1, 1)
  expect(called).toBe(false)
})

test.for<[Partial<ProviderErrorFields>, unknown]>([
  [{ kind: 'auth' }, { reason: 'auth' }],
  [{ kind: 'billing' }, { reason: 'billing' }],
  [{ kind: 'rate_limited' }, 'ignored'],
  [
    { kind: 'rate_limited', retryAfterMs: 700 },
    { reason: 'throttled', forMs: 700 },
  ],
  [{ kind: 'overloaded', status: 503 }, 'failure'],
  [
    { kind: 'overloaded', status: 503, retryAfterMs: 700 },
    { reason: 'throttled', forMs: 700 },
  ],
  [{ kind: 'overloaded', status: 500 }, 'failure'],
  [{ kind: 'network' }, 'failure'],
  [{ kind: 'timeout' }, 'failure'],
  [{ kind: 'bad_response' }, 'failure'],
  [{ kind: 'at_capacity' }, 'ignored'],
  [{ kind: 'invalid_input' }, 'ignored'],
  [{ kind: 'content_blocked' }, 'ignored'],
  [{ kind: 'not_found' }, 'ignored'],
  [{ kind: 'conflict' }, 'ignored'],
])('%o means %o to a breaker', ([fields, meaning]) => {
  const error = new ProviderError('gemini', 'test', { kind: 'network', message: 'm', ...fields })
  expect(meaningOf(error)).toEqual(meaning)
})

test('a refusal for too many calls at once halves them, and success lets them grow again', () => {
  let nowMs = 0
  const limit = new ConcurrencyLimit(() => nowMs)
  const leaving = Array.from({ length: 6 }, () => limit.enter())
  limit.lower()
  expect(limit.most).toBe(3)
  expect(limit.enter()).toBeUndefined()
  for (const leave of leaving) leave?.()
  for (let second = 0; second <= 50; second++) {
    nowMs += 1000
    limit.countSuccess()
  }
  expect(limit.most).toBe(Number.POSITIVE_INFINITY)
  expect(limit.enter()).toBeDefined()
})
