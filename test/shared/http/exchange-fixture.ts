import { IncomingMessage, ServerResponse } from 'node:http'
import { Socket } from 'node:net'

import * as z from 'zod'

import type { EndpointRow } from '../../../shared/http/endpoint-row.ts'
import { openExchange } from '../../../shared/http/exchange.ts'
import type { ChainDependencies, Exchange } from '../../../shared/http/exchange.ts'
import { testConfig } from '../test-config.ts'

const KIB = 1024

const ROW: EndpointRow = {
  name: 'tested',
  method: 'POST',
  caller: 'user',
  input: 'json',
  bodyBytesMax: 1024 * KIB,
  timeoutSeconds: 30,
}

const nobody = () => Promise.reject(new Error('nobody is asked in this test'))
const DEPENDENCIES: ChainDependencies = {
  config: testConfig(),
  tokens: { preload: () => undefined, verify: nobody },
  idempotency: { begin: nobody, settle: nobody },
  rates: { take: nobody },
  keys: { use: nobody },
  now: () => 0,
}

/** A request whose bytes the test pushes, on no connection; `push(null)` ends it. */
export function incoming(headers: Record<string, string | number>): IncomingMessage {
  const request = new IncomingMessage(new Socket())
  request.method = 'POST'
  request.httpVersion = '1.1'
  for (const [name, value] of Object.entries(headers)) request.headers[name.toLowerCase()] = String(value)
  return request
}

/** An exchange as the chain gets it, for parts of the chain that are tried without a process. */
export function exchangeOf(
  request: IncomingMessage,
  { row = {}, schema = z.unknown() }: { row?: Partial<EndpointRow>; schema?: z.ZodType } = {},
): Exchange {
  return openExchange({
    row: { ...ROW, ...row },
    inputSchema: schema,
    dependencies: DEPENDENCIES,
    request,
    response: new ServerResponse(request),
    arrival: { atMs: performance.now() },
  })
}
