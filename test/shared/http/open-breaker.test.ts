import { expect, test } from 'vitest'

import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import { errorEnvelope, errorHeaders } from '../../../shared/http/envelope.ts'
import { asHttpError } from '../../../shared/http/http-error.ts'

test('an open breaker is answered 503, says which it is and when to come back', () => {
  const thrown = BreakerOpenError.of({ breaker: 'gcs', state: 'open', reason: 'failures', retryAfterMs: 29_100 })
  const error = asHttpError(thrown)
  expect(error.status).toBe(503)
  expect(errorHeaders(error)).toEqual({ 'Retry-After': '30' })
  expect(errorEnvelope(error, { errorId: 'e', requestId: 'r' })).toEqual({
    error: {
      code: 'service_unavailable',
      message: 'A service we depend on is temporarily unavailable. Please try again shortly.',
      technical_message: "Circuit breaker 'gcs' is OPEN",
      retryable: true,
      error_id: 'e',
      request_id: 'r',
      details: { breaker: 'gcs' },
    },
  })
})

test.for([
  ['half_open', 'failures', "Circuit breaker 'gcs' is OPEN (its recovery is being tested)"],
  ['closed', 'ramp', "Circuit breaker 'gcs' is OPEN (it has recovered and lets calls in step by step)"],
] as const)('a breaker that is %s says so', ([state, reason, words]) => {
  const thrown = BreakerOpenError.of({ breaker: 'gcs', state, reason, retryAfterMs: 1 })
  expect(asHttpError(thrown).technical).toBe(words)
})
