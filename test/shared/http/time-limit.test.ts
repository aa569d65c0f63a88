import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { timeLimit } from '../../../shared/http/time-limit.ts'
import { exchangeOf } from './exchange-fixture.ts'

// The chain takes its timers from Node.
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

const ANSWER = { status: 200 }
const open = (timeoutSeconds: number) => exchangeOf(new IncomingMessage(new Socket()), { row: { timeoutSeconds } })
const never = () => new Promise<typeof ANSWER>(() => undefined)

describe('a function of 30 s', () => {
  test('is answered for 2 s before its end, and its work hears of it', async () => {
    const exchange = open(30)
    const limited = timeLimit(exchange, never)
    const ended = vi.fn<(error: unknown) => void>()
    limited.catch(ended)
    await vi.advanceTimersByTimeAsync(27_999)
    expect([ended.mock.calls.length, exchange.signal.aborted]).toEqual([0, false])
    await vi.advanceTimersByTimeAsync(1)
    expect(ended.mock.calls).toEqual([
      [expect.objectContaining({ code: 'timeout', technical: 'Not done within 28 s', retryable: true })],
    ])
    expect(exchange.signal.aborted).toBe(true)
  })

  test('that is done in time leaves no timer behind, and is not stopped later', async () => {
    const exchange = open(30)
    expect(await timeLimit(exchange, async () => ANSWER)).toBe(ANSWER)
    expect(vi.getTimerCount()).toBe(0)
    exchange.response.emit('close')
    expect(exchange.signal.aborted).toBe(false)
  })

  test('whose client has gone is stopped at once', async () => {
    const exchange = open(30)
    const limited = timeLimit(exchange, never)
    exchange.response.emit('close')
    await expect(limited).rejects.toMatchObject({ code: 'timeout', technical: 'The client has gone' })
    expect(exchange.signal.aborted).toBe(true)
  })
})

test('a function of hardly any time has a second', async () => {
  const refused = timeLimit(open(1), never).catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await refused).toMatchObject({ technical: 'Not done within 1 s' })
})
