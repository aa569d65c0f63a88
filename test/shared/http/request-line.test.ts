import { describe, expect, test } from 'vitest'

import { HttpError } from '../../../shared/http/http-error.ts'
import { judgeRequest } from '../../../shared/http/request-line.ts'
import { exchangeOf, incoming } from './exchange-fixture.ts'

const BUDGET = { slowSeconds: { slow: 60, verySlow: 180 } }

describe('a request in the log', () => {
  test.each([
    [0, 'request.handled', 'INFO'],
    [999, 'request.handled', 'INFO'],
    [1_000, 'request.slow', 'WARNING'],
    [4_999, 'request.slow', 'WARNING'],
    [5_000, 'request.very_slow', 'ERROR'],
  ])('that took %i ms is %s', (totalMs, event, severity) => {
    expect(judgeRequest(exchangeOf(incoming({})), 200, totalMs)).toEqual({ event, severity })
  })

  test.each([
    [5_000, 'request.handled', 'INFO'],
    [60_000, 'request.slow', 'WARNING'],
    [180_000, 'request.very_slow', 'ERROR'],
  ])('that took %i ms of a function with a budget of its own is %s', (totalMs, event, severity) => {
    expect(judgeRequest(exchangeOf(incoming({}), { row: BUDGET }), 200, totalMs)).toEqual({ event, severity })
  })

  test.each([
    [404, 10, 'request.refused', 'NOTICE'],
    [404, 1_000, 'request.slow', 'WARNING'],
    [500, 10, 'request.failed', 'ERROR'],
    [503, 9_000, 'request.failed', 'ERROR'],
  ])('that was answered with %i after %i ms is %s', (status, totalMs, event, severity) => {
    const exchange = exchangeOf(incoming({}))
    exchange.failure = { error: new HttpError('not_found'), errorId: 'e' }
    expect(judgeRequest(exchange, status, totalMs)).toEqual({ event, severity })
  })
})
