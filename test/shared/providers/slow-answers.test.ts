import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { expect, test } from 'vitest'

import { send } from '../../../shared/providers/http.ts'
import { CALL } from './provider-fixtures.ts'

const DISPATCHER = Symbol.for('undici.globalDispatcher.1')
type Published = { [DISPATCHER]: { constructor: new (options: object) => object } }

test('an answer that fetch would not wait for is waited for where it may be slow', async () => {
  const held: ServerResponse[] = []
  const service = createServer((request, response) => {
    request.resume()
    held.push(response)
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(service.address() as AddressInfo).port}/`
  const request = { provider: 'p', operation: 'o', method: 'POST', url, headers: {} } as const
  await fetch('data:,')
  const published = globalThis as unknown as Published
  const usual = published[DISPATCHER]
  try {
    // Five minutes are too long for a test.
    published[DISPATCHER] = new usual.constructor({ headersTimeout: 1000 }) as Published[typeof DISPATCHER]
    const slow = send({ ...request, slow: true }, CALL, CALL.signal)
    const usually = send(request, CALL, CALL.signal)
    await expect(usually).rejects.toMatchObject({ cause: { code: 'UND_ERR_HEADERS_TIMEOUT' } })
    for (const response of held) response.end('heard')
    expect(await (await slow).text()).toBe('heard')
  } finally {
    published[DISPATCHER] = usual
    service.closeAllConnections()
    service.close()
  }
})
