import { describe, expect, test } from 'vitest'

import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import { explain } from '../../../shared/dependencies/engine.ts'
import { FallbackBusy, JobEnded, NotEntitled, ServiceAway, StepRefused } from '../../../shared/engine/failure.ts'
import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
import { SourceFailed } from '../../../shared/podcast/errors.ts'
import { CONTENT_DECLINED, NOT_ACCEPTED, NOT_AUDIO, NOT_SET_UP } from '../../../shared/podcast/problems.ts'
import { ProviderError } from '../../../shared/providers/provider-error.ts'
import type { ProviderErrorKind } from '../../../shared/providers/provider-error.ts'

/** What everything that a step, a store or a queue can throw means to the engine, and which service it names. */

const call = (kind: ProviderErrorKind, ambiguous = false, retryAfterMs?: number) =>
  new ProviderError('acme', 'speak', { kind, message: 'm', ambiguous, ...(retryAfterMs && { retryAfterMs }) })

describe('a service that is away is named truthfully', () => {
  test.each<[string, unknown, object]>([
    ['Firestore', new ServiceUnavailable('firestore', 't'), { service: 'firestore', sent: true }],
    ['Cloud Storage', new ServiceUnavailable('gcs', 't'), { service: 'gcs', sent: true }],
    ['Cloud Tasks', new ServiceUnavailable('tasks', 't'), { service: 'tasks', sent: true }],
    ['what is read of our storage', new SourceFailed(new Error('reset')), { service: 'gcs' }],
    ['no room to master here', new FallbackBusy('full'), { service: 'capacity' }],
    ['a sound that breaks off', new ServiceAway('acme', 'broke off', undefined), { service: 'acme', sent: true }],
    [
      'an open breaker',
      BreakerOpenError.of({ breaker: 'acme', state: 'open', reason: 'failures', retryAfterMs: 9 }),
      { service: 'acme', sent: false, retryAfterMs: 9 },
    ],
    [
      'an open breaker of one port: by the vendor',
      BreakerOpenError.of({ breaker: 'elevenlabs-stt', state: 'open', reason: 'failures', retryAfterMs: 9 }),
      { service: 'elevenlabs', sent: false },
    ],
    ['a provider', call('overloaded', true), { service: 'acme', sent: true, ambiguous: true }],
    ['a provider that throttles', call('rate_limited', false, 700), { service: 'acme', retryAfterMs: 700 }],
  ])('%s', (_name, error, expected) => {
    expect(explain(error)).toMatchObject({ kind: 'away', ...expected })
  })

  test.each<ProviderErrorKind>(['auth', 'billing', 'at_capacity', 'network', 'timeout'])('a provider: %s', (kind) => {
    expect(explain(call(kind))).toMatchObject({ kind: 'away', service: 'acme' })
  })
})

const REFUSED = { kind: 'refused', ambiguous: false }

describe('what is about this request alone is refused, in words for its owner', () => {
  test.each<ProviderErrorKind>(['invalid_input', 'not_found', 'conflict'])('%s', (kind) => {
    expect(explain(call(kind))).toMatchObject({ ...REFUSED, words: NOT_ACCEPTED })
  })

  test('content that was declined', () => {
    expect(explain(call('content_blocked'))).toMatchObject({ ...REFUSED, words: CONTENT_DECLINED })
  })

  test('what a step itself has found out', () => {
    expect(explain(new StepRefused(NOT_AUDIO))).toMatchObject({ ...REFUSED, words: NOT_AUDIO })
    expect(explain(new StepRefused(NOT_AUDIO, { canPass: true }))).toMatchObject({ canPass: true })
  })
})

test('what an operator must mend is refused for now, before and after the breaker has heard of it', () => {
  const open = BreakerOpenError.of({ breaker: 'acme', state: 'open', reason: 'misconfigured', retryAfterMs: 5 })
  for (const error of [call('misconfigured'), open])
    expect(explain(error)).toMatchObject({ ...REFUSED, words: NOT_SET_UP, canPass: true })
})

test.each<ProviderErrorKind>(['bad_response', 'unusable'])('an answer nobody can read is told as that: %s', (kind) => {
  expect(explain(call(kind))).toMatchObject({ kind: 'unreadable', service: 'acme' })
})

test('a job that its provider has ended is made anew', () => {
  expect(explain(new JobEnded('gone'))).toEqual({ kind: 'jobEnded' })
})

test.each<[string, unknown, boolean]>([
  ['a lease that could not be renewed', new NotEntitled('late'), false],
  ['a defect of ours', new RangeError('no such place'), false],
  ['what is no error', 'thrown', false],
])('%s is tried again', (_name, error, ambiguous) => {
  expect(explain(error)).toEqual({ kind: 'unexpected', ambiguous })
})
