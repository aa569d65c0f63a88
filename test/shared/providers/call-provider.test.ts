import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import { callProvider } from '../../../shared/providers/call-provider.ts'
import { send } from '../../../shared/providers/http.ts'
import { meaningOf, ProviderError } from '../../../shared/providers/provider-error.ts'
import { failureOfStorage } from '../../../shared/store/storage-failure.ts'
import { retryAfterMs } from '../../../shared/resilience/retry-after.ts'
import { ConcurrencyLimit } from '../../../shared/resilience/concurrency-limit.ts'
import { RetryBudget } from '../../../shared/resilience/retry-budget.ts'
import { equalJitterMs, fullJitterMs } from '../../../shared/resilience/backoff.ts'

type Behaviour = { status: number; headers?: Record<string, string> } | 'reset' | 'silence'

let server: Server
let url: string
let behaviours: Behaviour[] = []
let received = 0

beforeAll(async () => {
  server = createServer((request, response) => {
    received++
    const behaviour = behaviours.shift() ?? { status: 200 }
    if (behaviour === 'reset') request.socket.resetAndDestroy()
    else if (behaviour !== 'silence') response.writeHead(behaviour.status, behaviour.headers).end('{}')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  behaviours = []
  received = 0
})

function call(
  attemptsMax: number,
  {
    signal = new AbortController().signal,
    target = url,
    attemptTimeoutMs = 5000,
    random = (): number => 0,
    breaker = new CircuitBreaker({ name: 'gemini', classify: meaningOf }),
    limit = new ConcurrencyLimit(() => 0),
    budget = new RetryBudget(0),
    totalTimeoutMs = 60_000,
  } = {},
) {
  const context = { signal, correlationId: 'test', random }
  const request = {
    provider: 'gemini',
    operation: 'test',
    method: 'POST',
    url: target,
    headers: {},
    body: '{}',
  } as const
  return callProvider(
    {
      guard: { provider: 'gemini', breaker, limit, budget },
      totalTimeoutMs,
      operation: 'test',
      attemptTimeoutMs,
      attemptsMax,
      attempt: async (attemptSignal) => (await send(request, context, attemptSignal)).status,
    },
    context,
  )
}

/** An address where nobody listens any more. */
async function closedUrl(): Promise<string> {
  const once = createServer()
  await new Promise<void>((resolve) => once.listen(0, '127.0.0.1', resolve))
  const { port } = once.address() as AddressInfo
  await new Promise((resolve) => once.close(resolve))
  return `http://127.0.0.1:${port}/`
}

async function failure(work: Promise<unknown>): Promise<ProviderError> {
  const error: unknown = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof ProviderError)) throw new Error('expected a ProviderError', { cause: error })
  return error
}

describe('a guarded call', () => {
  test('repeats what may pass by itself, as often as it may and no more', async () => {
    behaviours = [{ status: 503 }, 'reset']
    expect(await call(3)).toBe(200)
    expect(received).toBe(3)
    behaviours = [{ status: 500 }, { status: 500 }, { status: 500 }, { status: 500 }]
    expect((await failure(call(3))).kind).toBe('overloaded')
    expect(received).toBe(6)
  })

  test('sends a paid request once', async () => {
    behaviours = [{ status: 503 }]
    await failure(call(1))
    expect(received).toBe(1)
  })

  test.each([
    [400, 'invalid_input'],
    [401, 'auth'],
    [402, 'billing'],
    [404, 'not_found'],
    [409, 'conflict'],
    [429, 'rate_limited'],
  ] as const)('does not repeat %i: %s', async (status, kind) => {
    behaviours = [{ status }]
    expect((await failure(call(3))).kind).toBe(kind)
    expect(received).toBe(1)
  })

  test('leaves a wait that the provider asked for to the caller', async () => {
    behaviours = [{ status: 503, headers: { 'Retry-After': '7' } }]
    expect((await failure(call(3))).retryAfterMs).toBe(7000)
    expect(received).toBe(1)
  })

  test('knows whether the work may have been done: reset and timeout yes, refused no', async () => {
    behaviours = ['reset']
    expect(await failure(call(1))).toMatchObject({ kind: 'network', ambiguous: true })
    behaviours = ['silence']
    expect(await failure(call(1, { attemptTimeoutMs: 50 }))).toMatchObject({ kind: 'timeout', ambiguous: true })
    expect(await failure(call(1, { target: await closedUrl() }))).toMatchObject({
      kind: 'network',
      ambiguous: false,
    })
    behaviours = [{ status: 503 }]
    expect((await failure(call(1))).ambiguous).toBe(false)
    // Whoever answers has seen the end; a gateway has not.
    behaviours = [{ status: 500 }]
    expect((await failure(call(1))).ambiguous).toBe(false)
    behaviours = [{ status: 504 }]
    expect((await failure(call(1))).ambiguous).toBe(true)
  })

  test("ends with the caller's own reason, in the middle of an attempt or of a backoff", async () => {
    const reason = new Error('the lease is lost')
    for (const behaviour of ['silence', { status: 503 }] as const) {
      const abort = new AbortController()
      behaviours = [behaviour]
      const pending = call(3, { signal: abort.signal, random: () => 1 })
      setTimeout(() => abort.abort(reason), 60)
      await expect(pending).rejects.toBe(reason)
    }
    expect(received).toBe(2)
  })
})

describe('Retry-After', () => {
  const HOUR_MS = 3_600_000
  const theirsMs = Date.parse('2026-11-23T12:00:00Z')
  const headers = (retryAfter: string | null, date?: string) =>
    new Headers({
      ...(retryAfter !== null && { 'Retry-After': retryAfter }),
      ...(date !== undefined && { Date: date }),
    })

  test.each([
    ['7', 7000],
    [' 1.5 ', 1500],
    ['Mon, 23 Nov 2026 12:00:30 GMT', 30_000],
    ['Mon, 23 Nov 2020 12:00:30 GMT', 0],
    ['999999', 900_000],
    ['soon', undefined],
    [null, undefined],
  ])('%j is %j ms', (header, waitMs) => {
    expect(retryAfterMs(headers(header), () => theirsMs)).toBe(waitMs)
    for (const offMs of [-6 * HOUR_MS, 6 * HOUR_MS])
      expect(retryAfterMs(headers(header, 'Mon, 23 Nov 2026 12:00:00 GMT'), () => theirsMs + offMs)).toBe(waitMs)
  })

  test('is compared with our clock where the answer has no date that can be read', () => {
    expect(retryAfterMs(headers('Mon, 23 Nov 2026 12:00:30 GMT', 'today'), () => theirsMs + 10_000)).toBe(20_000)
  })

  test('of a provider whose clock is six hours off is as long as it says', async () => {
    for (const offMs of [-6 * HOUR_MS, 6 * HOUR_MS]) {
      const at = (ms: number) => new Date(Date.now() + offMs + ms).toUTCString()
      behaviours = [{ status: 503, headers: { 'Retry-After': at(30_000), Date: at(0) } }]
      expect((await failure(call(3))).retryAfterMs).toBe(30_000)
    }
  })
})

describe('Retry-After of storage', () => {
  const HOUR_MS = 3_600_000
  test.each([-6 * HOUR_MS, 6 * HOUR_MS])('is as long as it says where its clock is %d ms off', (offMs) => {
    const at = (ms: number) => new Date(Date.now() + offMs + ms).toUTCString()
    const said = { 'retry-after': at(30_000), date: at(0) }
    for (const sent of [said, new Headers(said)])
      expect(failureOfStorage(Object.assign(new Error('busy'), { code: 503, response: { headers: sent } }))).toEqual({
        reason: 'throttled',
        forMs: 30_000,
      })
  })
})

test('backoff grows, stays under its cap, and is spread', () => {
  const policy = { baseMs: 100, capMs: 5000 }
  fc.assert(
    fc.property(fc.nat(200), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (failures, chance) => {
      const ceiling = Math.min(policy.capMs, policy.baseMs * 2 ** Math.min(failures, 30))
      expect(fullJitterMs(policy, failures, () => chance)).toBeLessThanOrEqual(ceiling)
      expect(equalJitterMs(policy, failures, () => chance)).toBeGreaterThanOrEqual(ceiling / 2)
    }),
    { verbose: 1 },
  )
})
