import { describe, expect, test } from 'vitest'

import { BreakerOpenError } from '../../../shared/breaker/open-error.ts'
import type { DomainError } from '../../../shared/errors/domain-error.ts'
import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
import {
  EpisodeNotFound,
  ForeignWebhookToken,
  NeverProcessed,
  SourceFailed,
  UnreadableTranscript,
  UnsupportedTranscriptType,
  UnusableRecording,
  WrongStatus,
} from '../../../shared/podcast/errors.ts'
import { RedeliverTask } from '../../../shared/engine/redeliver.ts'
import { errorEnvelope, errorHeaders } from '../../../shared/http/envelope.ts'
import { asHttpError, HttpError } from '../../../shared/http/http-error.ts'
import { QuotaExceeded } from '../../../shared/quotas/refusals.ts'
import { ForeignPageToken, ObjectTooLarge } from '../../../shared/store/errors.ts'

const IDS = { errorId: 'e', requestId: 'r' }
const UNAVAILABLE = 'A service we depend on is temporarily unavailable. Please try again shortly.'
const INTERNAL = 'Something went wrong on our side. Please try again shortly.'
const INVALID = 'Something in this request is not right. Please check the details and send it again.'
const CONFLICT = 'That is not possible in the current state.'

/** Status, code, message for the person, technical message, then details and Retry-After where there are any. */
function told(thrown: unknown): unknown[] {
  const error = asHttpError(thrown)
  const { code, message, technical_message, details } = errorEnvelope(error, IDS).error
  const retryAfter = errorHeaders(error)['Retry-After']
  return [error.status, code, message, technical_message, details, retryAfter]
}

describe('to a client', () => {
  test.for<[DomainError, unknown[]]>([
    [
      new EpisodeNotFound(),
      [404, 'not_found', 'We could not find this episode.', 'We could not find this episode.', undefined, undefined],
    ],
    [
      new WrongStatus('ready', ['draft', 'processing']),
      [
        409,
        'conflict',
        'This is not possible while the episode is ready.',
        'The episode is ready; expected draft or processing',
        { status: 'ready' },
        undefined,
      ],
    ],
    [new NeverProcessed(), [409, 'conflict', CONFLICT, 'The episode was never processed', undefined, undefined]],
    [
      new UnusableRecording({ technical: 'too large' }),
      [400, 'validation_error', INVALID, 'too large', undefined, undefined],
    ],
    [
      new UnreadableTranscript('no words', [{ path: 'line 1', message: 'no' }]),
      [
        400,
        'validation_error',
        'This transcript cannot be read. no words.',
        'no words',
        { issues: [{ path: 'line 1', message: 'no' }] },
        undefined,
      ],
    ],
    [
      new UnsupportedTranscriptType(['text/plain', 'text/vtt']),
      [
        415,
        'unsupported_media_type',
        'Please send the transcript as plain text, WebVTT, SubRip or JSON.',
        'Content-Type must be one of text/plain, text/vtt',
        undefined,
        undefined,
      ],
    ],
    [
      new ForeignWebhookToken(),
      [401, 'unauthenticated', 'Please sign in again.', 'The token is not of this job', undefined, undefined],
    ],
    [new ForeignPageToken(), [400, 'validation_error', INVALID, 'pageToken is not one of ours', undefined, undefined]],
    [new ObjectTooLarge(), [500, 'internal_error', INTERNAL, 'The object is too large', undefined, undefined]],
    [new RedeliverTask('held'), [500, 'internal_error', INTERNAL, 'held', undefined, undefined]],
    [
      new ServiceUnavailable('firestore', 'no answer'),
      [503, 'service_unavailable', UNAVAILABLE, 'no answer', undefined, '5'],
    ],
  ])('%o is told as it always was', ([error, answer]) => {
    expect(told(error)).toEqual(answer)
  })

  test('a quota says when it frees, in whole seconds', () => {
    const refusal = { quota: 'activeEpisodes', used: 3, limit: 3, asked: 1 } as const
    expect(told(new QuotaExceeded(refusal, 0))).toEqual([
      429,
      'quota_exceeded',
      '3 of at most 3 episodes are being processed. Please try again when one of them is finished.',
      'activeEpisodes: 3 of 3 used, 1 more asked for',
      { quota: 'activeEpisodes', used: 3, limit: 3, asked: 1 },
      '30',
    ])
  })

  test('an open breaker says which it is, and when to come back', () => {
    const open = BreakerOpenError.of({ breaker: 'gcs', state: 'open', reason: 'failures', retryAfterMs: 1_200 })
    const technical = "Circuit breaker 'gcs' is OPEN"
    expect(told(open)).toEqual([503, 'service_unavailable', UNAVAILABLE, technical, { breaker: 'gcs' }, '2'])
  })

  test('a body that the edge refused while it was being stored is refused in the words of the edge', () => {
    const refusal = new HttpError('request_too_large')
    expect(asHttpError(new SourceFailed(refusal))).toBe(refusal)
    expect(told(new SourceFailed(new Error('socket hang up'))).slice(0, 2)).toEqual([503, 'service_unavailable'])
  })

  test('what nobody threw on purpose tells nothing', () => {
    const technical = 'Unexpected error; see the log under this error_id'
    expect(told(new TypeError('secret'))).toEqual([500, 'internal_error', INTERNAL, technical, undefined, undefined])
  })
})

test('the log is shown what was thrown first', () => {
  const first = new Error('UNAVAILABLE: no connection')
  expect(asHttpError(new ServiceUnavailable('firestore', 'no answer', first)).cause).toBe(first)
  const refusal = new NeverProcessed()
  expect(asHttpError(refusal).cause).toBe(refusal)
})
