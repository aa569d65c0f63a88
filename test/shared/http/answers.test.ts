import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { refuseUnguarded } from '../../../shared/http/framework/serve-in-front.ts'
import { startEdgeProcess } from './edge-process.ts'
import type { EdgeProcess } from './edge-process.ts'
import { Envelope, exchange, head, RawClient } from './raw-client.ts'
import { thrownThings } from './thrown-things.ts'

const APP = 'https://app.example'
/** A bound, not an expectation. */
const SOON = { timeout: 60_000, interval: 20 }
/** No request of these tests is slow, however busy the machine is. */
const PATIENT = { SLOW_REQUEST_THRESHOLD_SECONDS: '600', VERY_SLOW_REQUEST_THRESHOLD_SECONDS: '1200' }
let edge: EdgeProcess
beforeAll(async () => {
  edge = await startEdgeProcess({ environment: { ...PATIENT, CORS_ALLOWED_ORIGINS: `${APP}, http://localhost:3000` } })
}, 120_000)
afterAll(() => edge.stop())

function call(row: string, init: RequestInit = {}, path = '/'): Promise<Response> {
  return fetch(`${edge.origin}${path}`, {
    ...init,
    headers: { 'x-row': row, ...(init.headers as Record<string, string>) },
  })
}
const misbehave = (what: string, ms = 0) => call('misbehave', {}, `/?what=${what}&ms=${ms}`)

async function errorOf(response: Response) {
  const { error } = Envelope.parse(await response.json())
  expect(response.headers.get('x-request-id')).toBe(error.request_id)
  expect(response.headers.get('x-response-time')).toMatch(/^\d+\.\d{3}ms$/)
  expect(response.headers.get('server-timing')).toMatch(/total;dur=\d/)
  return { status: response.status, ...error }
}

/** The line of the log that an error_id, or the id of a request, finds. */
async function lineOf(id: string, of = edge): Promise<Record<string, unknown>> {
  const find = () => of.lines.find((candidate) => candidate.includes(id))
  await expect.poll(find, SOON).toBeDefined()
  return JSON.parse(find() ?? '') as Record<string, unknown>
}

describe('whatever a handler throws is a 500 that tells nothing', () => {
  test.each(Object.keys(thrownThings()))('%s', async (what) => {
    const error = await errorOf(await misbehave(what))
    expect(error).toMatchObject({ status: 500, code: 'internal_error', retryable: true })
    expect(JSON.stringify(error)).not.toMatch(/from the|\.ts|just words|with a stack/)
    expect(await lineOf(error.error_id)).toMatchObject({ severity: 'ERROR', event: 'request.failed' })
  })

  test('an answer that cannot be JSON', async () => {
    expect(await errorOf(await misbehave('unserialisable'))).toMatchObject({ status: 500, code: 'internal_error' })
  })

  test('a rejection nobody awaited fails its own request and no other', async () => {
    const [guilty, innocent] = await Promise.all([misbehave('unawaited', 300), misbehave('', 300)])
    expect(await errorOf(guilty)).toMatchObject({ status: 500 })
    expect(innocent.status).toBe(200)
    expect(edge.child.exitCode).toBeNull()
  })
})

/** How many handlers have begun to wait, and how many have heard that they should stop. */
async function handlers(): Promise<{ begun: number; aborted: number }> {
  return (await (await call('state')).json()) as { begun: number; aborted: number }
}
const begun = async () => (await handlers()).begun
const aborted = async () => (await handlers()).aborted

describe('a handler that outlives its deadline', () => {
  test('is answered for with 504, and hears of it', async () => {
    const before = await aborted()
    const error = await errorOf(await call('deaf'))
    expect(error).toMatchObject({ status: 504, code: 'timeout', retryable: true })
    expect(await aborted()).toBe(before + 1)
  })

  test('is a plain 500 to Cloud Tasks', async () => {
    const init = {
      method: 'POST',
      body: '{"ms":5000}',
      headers: { 'Content-Type': 'application/json', Authorization: 'Bearer a.tasks.c' },
    }
    expect(await errorOf(await call('task', init))).toMatchObject({ status: 500, code: 'timeout' })
  })

  test('whose client has gone hears of that too', async () => {
    const before = await handlers()
    const client = new RawClient(edge.port).send(head('GET', '/?what=hold', { 'x-row': 'misbehave' }))
    await expect.poll(begun, SOON).toBe(before.begun + 1)
    client.close()
    await expect.poll(aborted, SOON).toBe(before.aborted + 1)
  })
})

describe('what is not the function is refused', () => {
  test.each(['/favicon.ico', '/robots.txt', '/x', '/%', '/%E0%A4%A', '//', '/__/health'])('path %s', async (path) => {
    const answer = await exchange(edge.port, head('GET', path, { 'x-row': 'noop' }))
    expect(answer?.status).toBe(404)
    expect(Envelope.parse(JSON.parse(answer?.body ?? '')).error.code).toBe('not_found')
  })

  test.each(['PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND'])('method %s', async (method) => {
    const answer = await exchange(edge.port, head(method, '/', { 'x-row': 'echo' }))
    expect(answer?.status).toBe(405)
    expect(answer?.headers['allow']).toBe('POST, OPTIONS')
    Envelope.parse(JSON.parse(answer?.body ?? ''))
  })

  test('a tunnel', async () => {
    const bytes = 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\nx-row: echo\r\n\r\n'
    const answer = await exchange(edge.port, bytes)
    expect(answer?.status).toBe(405)
    expect(answer?.headers['allow']).toBe('POST, OPTIONS')
    expect(Envelope.parse(JSON.parse(answer?.body ?? '')).error.code).toBe('method_not_allowed')
  })

  test.each([
    ['a head that is not HTTP', 'HELLO\r\n\r\n'],
    ['a header without end', `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`],
    ['no host', 'GET / HTTP/1.1\r\nx-row: noop\r\n\r\n'],
    ['two hosts', 'GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\nx-row: noop\r\n\r\n'],
    ['the same host twice', 'GET / HTTP/1.0\r\nHost: x\r\nHost: x\r\nx-row: noop\r\n\r\n'],
    ['what is no host', head('GET', '/', { 'x-row': 'noop', Host: 'a b' })],
    ['a host with a path', head('GET', '/', { 'x-row': 'noop', Host: 'x/y' })],
    [
      'a body in a coding we do not know',
      `${head('POST', '/', { 'x-row': 'echo', 'Transfer-Encoding': 'gzip, chunked' })}0\r\n\r\n`,
    ],
    [
      'two codings on two lines',
      `POST / HTTP/1.1\r\nHost: x\r\nx-row: echo\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    ],
    ['an expectation we cannot meet', head('GET', '/', { 'x-row': 'noop', Expect: 'a miracle' })],
  ])('%s', async (_what, bytes) => {
    const answer = await exchange(edge.port, bytes)
    expect(answer?.status).toBe(400)
    expect(Envelope.parse(JSON.parse(answer?.body ?? '')).error.code).toBe('validation_error')
  })
})

describe('a function with nothing in front of it', () => {
  test('refuses, in the envelope, whatever the framework passes to it', async () => {
    const server = createServer(refuseUnguarded).listen(0, '127.0.0.1')
    await new Promise((resolve) => server.once('listening', resolve))
    const { port } = server.address() as AddressInfo
    expect(await errorOf(await fetch(`http://127.0.0.1:${port}`))).toMatchObject({
      status: 500,
      code: 'internal_error',
    })
    await new Promise((resolve) => server.close(resolve))
  })
})

describe('a browser', () => {
  const preflight = {
    method: 'OPTIONS',
    headers: {
      Origin: APP,
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,idempotency-key',
    },
  }

  test('on an allowed origin may call, and read every answer, errors included', async () => {
    const asked = await call('echo', preflight)
    expect(asked.status).toBe(204)
    expect(asked.headers.get('access-control-allow-origin')).toBe(APP)
    expect(asked.headers.get('access-control-allow-methods')).toBe('POST, OPTIONS')
    expect(asked.headers.get('access-control-allow-headers')).toMatch(/Authorization.*Idempotency-Key/)
    const refused = await call('echo', { method: 'POST', headers: { Origin: APP } })
    expect(refused.status).toBe(401)
    expect(refused.headers.get('access-control-allow-origin')).toBe(APP)
    expect(refused.headers.get('access-control-expose-headers')).toContain('Retry-After')
    expect(refused.headers.get('vary')).toBe('Origin')
  })

  test.each(['https://evil.example', 'https://app.example.evil', 'null', 'HTTPS://APP.EXAMPLE'])(
    'on %s may not',
    async (origin) => {
      const asked = await call('echo', { ...preflight, headers: { ...preflight.headers, Origin: origin } })
      expect(asked.headers.get('access-control-allow-origin')).toBeNull()
      expect(asked.headers.get('access-control-allow-methods')).toBeNull()
    },
  )

  test('is never let near what Cloud Tasks and providers call', async () => {
    for (const row of ['task', 'hook'])
      expect((await call(row, preflight)).headers.get('access-control-allow-origin')).toBeNull()
  })

  test('asking with HEAD gets the headers of GET and no body', async () => {
    const client = new RawClient(edge.port).send(
      head('HEAD', '/', { 'x-row': 'noop' }) + head('GET', '/', { 'x-row': 'noop' }),
    )
    const toHead = await client.answer(undefined, true)
    const toGet = await client.answer()
    expect([toHead?.status, toHead?.headers['content-length']]).toEqual([200, String(toGet?.body.length)])
    expect(toGet?.body).toBe('{"ok":true}')
    client.send(head('HEAD', '/', { 'x-row': 'echo' }))
    expect((await client.answer(undefined, true))?.status).toBe(405)
    client.close()
  })
})

describe('what cannot be parsed', () => {
  test('is answered in its turn, after the requests before it', async () => {
    const slow = head('GET', '/?ms=50', { 'x-row': 'misbehave' })
    const client = new RawClient(edge.port).send(`${slow}${head('GET', '/', { 'x-row': 'noop' })}NONSENSE\r\n\r\n`)
    const answers = [await client.answer(), await client.answer(), await client.answer()]
    expect(answers.map((answer) => answer?.status)).toEqual([200, 200, 400])
    expect(await client.answer()).toBeUndefined()
  })

  test('within a body is what its request is answered, in its turn', async () => {
    const slow = head('GET', '/?ms=50', { 'x-row': 'misbehave' })
    const broken = `${head('POST', '/', { 'x-row': 'echo', 'Transfer-Encoding': 'chunked' })}zz\r\n`
    const client = new RawClient(edge.port).send(slow + broken)
    const answers = [await client.answer(), await client.answer()]
    expect(answers.map((answer) => answer?.status)).toEqual([200, 400])
    expect(answers[1]?.headers['connection']).toBe('close')
    expect(await client.answer()).toBeUndefined()
  })

  test('is answered also to who goes on sending', async () => {
    const large = head('POST', '/', { 'x-row': 'echo', 'x-large': 'y'.repeat(40_000), 'Content-Length': 2_000_000 })
    for (let round = 0; round < 5; round++) {
      const client = new RawClient(edge.port).send(large + 'x'.repeat(2_000_000))
      expect((await client.answer())?.status).toBe(400)
      client.close()
    }
  })
})

describe('the line in the log', () => {
  test('is in the fields of Cloud Logging, tied to the trace, and without the query', async () => {
    const headers = {
      'X-Request-Id': 'my-request-7',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      'function-execution-id': 'exec1',
      'User-Agent': 'browser/1',
    }
    await (await call('noop', { headers }, '/?token=hush')).text()
    const line = await lineOf('my-request-7')
    expect(line).toMatchObject({
      severity: 'INFO',
      route: 'GET /noop',
      'logging.googleapis.com/trace': 'projects/demo-edge/traces/0af7651916cd43dd8448eb211c80319c',
      'logging.googleapis.com/spanId': 'b7ad6b7169203331',
      'logging.googleapis.com/trace_sampled': true,
      'logging.googleapis.com/labels': { function: 'noop', request_id: 'my-request-7', execution_id: 'exec1' },
      httpRequest: {
        requestMethod: 'GET',
        status: 200,
        responseSize: '11',
        requestUrl: 'http://functions.test/noop',
        userAgent: 'browser/1',
      },
    })
    expect(JSON.stringify(line)).not.toContain('hush')
  })

  test("reads Google's own trace header, whose span is decimal", async () => {
    const headers = { 'X-Request-Id': 'traced-8', 'X-Cloud-Trace-Context': '105445aa7843bc8bf206b12000100000/74;o=1' }
    await (await call('noop', { headers })).text()
    expect(await lineOf('traced-8')).toMatchObject({ 'logging.googleapis.com/spanId': '000000000000004a' })
  })

  test('is what Error Reporting groups by for a 5xx, found by error_id, and keeps every secret', async () => {
    const error = await errorOf(await misbehave('secret'))
    const line = await lineOf(error.error_id)
    expect(line).toMatchObject({
      '@type': 'type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent',
      serviceContext: { service: 'misbehave' },
      context: { httpRequest: { method: 'GET', responseStatusCode: 500 } },
      error_id: error.error_id,
    })
    expect(line['stack_trace']).toMatch(/^Error: key \[hidden\], \[hidden\], \?token=\[hidden\]\n {4}at /)
    expect(edge.lines.join('\n')).not.toMatch(/gemini-key-that|abcdefghijkl|hush1/)
  })

  // Which line at which time is a matter of numbers: request-line.test.ts.
  test('is a warning when the request was slow, an error when very slow, by the budget of its function', async () => {
    const strict = await startEdgeProcess({
      environment: { SLOW_REQUEST_THRESHOLD_SECONDS: '0.05', VERY_SLOW_REQUEST_THRESHOLD_SECONDS: '0.1' },
    })
    const slow = await fetch(`${strict.origin}/?ms=150`, {
      headers: { 'x-row': 'misbehave', 'X-Request-Id': 'very-slow' },
    })
    const task = await fetch(strict.origin, {
      method: 'POST',
      body: '{"ms":600}',
      headers: {
        'x-row': 'task',
        'X-Request-Id': 'slow-task',
        'Content-Type': 'application/json',
        Authorization: 'Bearer a.tasks.c',
      },
    })
    expect([slow.status, task.status]).toEqual([200, 200])
    expect(await lineOf('"very-slow"', strict)).toMatchObject({ severity: 'ERROR', event: 'request.very_slow' })
    expect(await lineOf('"slow-task"', strict)).toMatchObject({ severity: 'WARNING', event: 'request.slow' })
    await strict.stop()
  })
})
