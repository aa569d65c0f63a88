import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'

import { expect, test } from 'vitest'

import { CircuitBreaker } from '../../../shared/breaker/breaker.ts'
import { ServiceUnavailable } from '../../../shared/errors/unavailable.ts'
import { callProvider } from '../../../shared/providers/call-provider.ts'
import { send } from '../../../shared/providers/http.ts'
import { meaningOf } from '../../../shared/providers/provider-error.ts'
import { ConcurrencyLimit } from '../../../shared/resilience/concurrency-limit.ts'
import { RetryBudget } from '../../../shared/resilience/retry-budget.ts'
import { CALL } from './provider-fixtures.ts'

const TIMEOUT_MS = 5_000

/** A call that sends a provider what is read from our storage. */
function upload(url: string, bytes: Readable, breaker: CircuitBreaker, call = CALL) {
  const request = { provider: 'assemblyai', operation: 'upload', method: 'POST', url, headers: {} } as const
  const guard = { provider: 'assemblyai', breaker, limit: new ConcurrencyLimit(() => 0), budget: new RetryBudget(0) }
  const attempt = async (signal: AbortSignal) =>
    (await send({ ...request, body: Readable.toWeb(bytes) as ReadableStream }, call, signal)).status
  return callProvider({ guard, operation: 'upload', attemptTimeoutMs: TIMEOUT_MS, attemptsMax: 1, attempt }, call)
}

async function withProvider(work: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((request, response) => request.resume().once('end', () => response.end('{}')))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  try {
    await work(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  } finally {
    server.closeAllConnections()
    server.close()
  }
}

test('storage that goes away while we send from it is no failure of the provider', async () => {
  await withProvider(async (url) => {
    const away = new ServiceUnavailable('gcs', 'Storage did not answer (read)')
    async function* broken() {
      yield Buffer.alloc(1_000)
      await new Promise(setImmediate)
      throw away
    }
    const breaker = new CircuitBreaker({ name: 'assemblyai', classify: meaningOf, settings: { failureThreshold: 1 } })
    await expect(upload(url, Readable.from(broken()), breaker)).rejects.toBe(away)
    expect(breaker.state).toBe('closed')
  })
})

test('a provider may be silent for as long as its call may take, and has been heard when that ends', async () => {
  await withProvider(async (url) => {
    const told: string[] = []
    const progress = {
      advance: () => void told.push('advance'),
      expectQuiet: (mostMs: number) => {
        told.push(`quiet for ${mostMs} ms`)
        return () => void told.push('heard')
      },
    }
    const breaker = new CircuitBreaker({ name: 'assemblyai', classify: meaningOf })
    expect(await upload(url, Readable.from([Buffer.alloc(10)]), breaker, { ...CALL, progress })).toBe(200)
    await expect(upload('http://127.0.0.1:1/', Readable.from([]), breaker, { ...CALL, progress })).rejects.toThrow(
      'connection failed',
    )
    const once = [`quiet for ${TIMEOUT_MS} ms`, 'heard']
    expect(told).toEqual([...once, ...once])
  })
})
