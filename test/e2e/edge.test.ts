import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { FUNCTIONS } from '../../functions/functions.ts'
import type { FunctionRow } from '../../functions/functions.ts'
import { LOCAL_SCHEDULER_ACCOUNT, LOCAL_TASKS_ACCOUNT, Identity } from '../../infra/local/identity.ts'
import { LOCAL_PROJECT } from '../../infra/local/local-cloud.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { Envelope, exchange, head } from '../shared/http/raw-client.ts'
import { startTestCloud } from './cloud.ts'

const APP = 'https://app.example'
let cloud: LocalCloud
beforeAll(async () => {
  cloud = await startTestCloud({ environment: { CORS_ALLOWED_ORIGINS: APP } })
})
afterAll(() => cloud.stop())

const rows: FunctionRow[] = Object.values(FUNCTIONS)
const guarded = rows.filter(({ caller }) => caller === 'user' || caller === 'admin' || caller === 'tasks')

async function call({ name, method }: FunctionRow, authorization?: string, path = ''): Promise<Response> {
  return fetch(`${cloud.functionsBaseUrl}/${name}${path}`, {
    method,
    headers: { ...(authorization && { Authorization: authorization }), 'Content-Type': 'application/json' },
    ...(method === 'POST' && { body: '{}' }),
  })
}

async function expectEnvelope(response: Response, status: number, code: string): Promise<void> {
  const body = (await response.json()) as { error: Record<string, unknown> }
  expect([response.status, body.error['code']]).toEqual([status, code])
  expect(body.error).toMatchObject({
    message: expect.any(String) as string,
    technical_message: expect.any(String) as string,
    retryable: expect.any(Boolean) as boolean,
    error_id: expect.stringMatching(/^[\da-f-]{36}$/) as string,
    request_id: response.headers.get('x-request-id'),
  })
}

/** A token with the right claims for a function, of an issuer of the given kind. */
function rightToken(identity: Identity, { caller, name }: FunctionRow, seconds?: number): Promise<string> {
  if (caller === 'tasks')
    return identity.serviceToken(LOCAL_TASKS_ACCOUNT, `${cloud.functionsBaseUrl}/${name}`, seconds)
  return identity.userToken('alice', caller === 'admin' ? 'admin' : undefined, seconds)
}

describe.each(guarded.map((row) => [row.name, row] as const))('%s', (_name, row) => {
  test('refuses who brings no token, or none we can trust', async () => {
    const right = await rightToken(cloud.identity, row)
    const expired = await rightToken(cloud.identity, row, -60)
    const otherKey = await rightToken(new Identity(cloud.origin, LOCAL_PROJECT), row)
    const otherAudience =
      row.caller === 'tasks'
        ? await cloud.identity.serviceToken(LOCAL_TASKS_ACCOUNT, `${cloud.functionsBaseUrl}/other`)
        : await new Identity(cloud.origin, 'other-project').userToken('alice')
    const [, payload = ''] = right.split('.')
    const unsigned = `${Buffer.from('{"alg":"none","typ":"JWT"}').toString('base64url')}.${payload}.`
    const stripped = right.replace(/\.[^.]*$/, '.SIGNATURE_REMOVED')
    const foreign = await new Identity('http://127.0.0.1:1', LOCAL_PROJECT).userToken('alice')
    for (const authorization of [undefined, 'Basic eDp5', 'Bearer', `Bearer ${'x'.repeat(9000)}.y.z`])
      await expectEnvelope(await call(row, authorization), 401, 'unauthenticated')
    for (const token of [expired, otherKey, otherAudience, unsigned, stripped, foreign])
      await expectEnvelope(await call(row, `Bearer ${token}`), 401, 'unauthenticated')
  })

  test('refuses a good token of the wrong caller with 403', async () => {
    const url = `${cloud.functionsBaseUrl}/${row.name}`
    const wrong =
      row.caller === 'user'
        ? [await cloud.identity.serviceToken(LOCAL_TASKS_ACCOUNT, url)]
        : [
            await cloud.identity.userToken('alice', row.caller === 'admin' ? undefined : 'admin'),
            await cloud.identity.serviceToken(LOCAL_SCHEDULER_ACCOUNT, url),
          ]
    for (const token of wrong) await expectEnvelope(await call(row, `Bearer ${token}`), 403, 'forbidden')
  })
})

describe.each(rows.filter(({ caller }) => caller === 'provider').map((row) => [row.name, row] as const))(
  '%s',
  (_name, row) => {
    test.each(['', `?episodeId=${'0'.repeat(24)}&token=guess`, '?episodeId=../x&token=y', `?token=${'x'.repeat(500)}`])(
      'answers 401 to a hook nobody waits for: %s',
      async (path) => {
        await expectEnvelope(await call(row, undefined, path), 401, 'unauthenticated')
      },
    )
  },
)

describe('every answer', () => {
  const create = FUNCTIONS['episodes-create']
  const post = async (body: string | undefined, headers: Record<string, string> = {}) =>
    fetch(`${cloud.functionsBaseUrl}/episodes-create`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${await cloud.identity.userToken('alice')}`,
        'Content-Type': 'application/json',
        ...headers,
      },
      ...(body !== undefined && { body }),
    })

  test('carries an id and its timing', async () => {
    const response = await call(FUNCTIONS['ops-live'])
    expect(response.status).toBe(200)
    expect(response.headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/)
    expect(response.headers.get('x-response-time')).toMatch(/^\d+\.\d{3}ms$/)
    expect(response.headers.get('server-timing')).toMatch(/total;dur=\d/)
  })

  test('keeps the id a client brought, if it is harmless', async () => {
    expect((await post('{}', { 'X-Request-Id': 'my-id.1' })).headers.get('x-request-id')).toBe('my-id.1')
    expect((await post('{}', { 'X-Request-Id': 'bad id"' })).headers.get('x-request-id')).toMatch(/^[\da-f-]{36}$/)
  })

  test('of 400 and above is the envelope: malformed JSON, wrong type, wrong method, unknown function', async () => {
    await expectEnvelope(await post('{"title":'), 400, 'validation_error')
    await expectEnvelope(await post('\u0000'), 400, 'validation_error')
    await expectEnvelope(
      await post('title=x', { 'Content-Type': 'application/x-www-form-urlencoded' }),
      415,
      'unsupported_media_type',
    )
    await expectEnvelope(await post('{}', { 'Content-Encoding': 'gzip' }), 400, 'validation_error')
    await expectEnvelope(await post('{}', { 'Content-Encoding': 'zip' }), 415, 'unsupported_media_type')
    const wrongMethod = await fetch(`${cloud.functionsBaseUrl}/${create.name}`)
    expect(wrongMethod.headers.get('allow')).toBe('POST, OPTIONS')
    await expectEnvelope(wrongMethod, 405, 'method_not_allowed')
    const unknown = await fetch(`${cloud.functionsBaseUrl}/no-such-function`)
    expect(unknown.headers.get('x-response-time')).toMatch(/^\d+\.\d{3}ms$/)
    await expectEnvelope(unknown, 404, 'not_found')
    await expectEnvelope(await call(FUNCTIONS['ops-live'], undefined, '/favicon.ico'), 404, 'not_found')
  })

  test('is readable by a page on an allowed origin, and leaves the connection open', async () => {
    const response = await fetch(`${cloud.functionsBaseUrl}/ops-live`, { headers: { Origin: APP } })
    expect(response.headers.get('access-control-allow-origin')).toBe(APP)
    expect(response.headers.get('connection')).toBe('keep-alive')
  })

  test('says which field is wrong', async () => {
    const response = await post(JSON.stringify({ title: 'x', options: { loudnessTarget: 5 }, extra: 1 }))
    const { error } = (await response.json()) as { error: { details: { issues: { path: string }[] } } }
    expect(response.status).toBe(400)
    expect(error.details.issues.map(({ path }) => path)).toContain('options.loudnessTarget')
  })

  test('refuses a body over the limit, declared or not', async () => {
    await expectEnvelope(await post(JSON.stringify({ title: 'x'.repeat(2_000_000) })), 413, 'request_too_large')
    const chunked = new ReadableStream({
      pull(controller) {
        controller.enqueue(new TextEncoder().encode('x'.repeat(500_000)))
      },
    })
    const response = await fetch(`${cloud.functionsBaseUrl}/episodes-create`, {
      method: 'POST',
      headers: {
        Authorization: `Bearer ${await cloud.identity.userToken('alice')}`,
        'Content-Type': 'application/json',
      },
      body: chunked,
      duplex: 'half',
    })
    await expectEnvelope(response, 413, 'request_too_large')
    expect((await call(FUNCTIONS['ops-live'])).status).toBe(200)
  })

  test('from a work function to a task that must come again is 500, not 503', async () => {
    await cloud.faults.set('firestore', { mode: 'status' })
    const row = FUNCTIONS['work-finish']
    const token = await rightToken(cloud.identity, row)
    const response = await fetch(`${cloud.functionsBaseUrl}/${row.name}`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ episodeId: '0'.repeat(24), step: 'finish', generation: 1, dispatch: 1 }),
    })
    await cloud.faults.clear('firestore')
    expect(response.status).toBe(500)
  })

  test('is 503 with Retry-After to a user when the store is out', async () => {
    await cloud.faults.set('firestore', { mode: 'blackhole' })
    const response = await post('{"title":"x"}')
    await cloud.faults.clear('firestore')
    expect(response.headers.get('retry-after')).toMatch(/^\d+$/)
    await expectEnvelope(response, 503, 'service_unavailable')
  })
})

describe('the control routes', () => {
  test('give tokens that work, and refuse what they cannot read', async () => {
    const { token } = (await (await fetch(`${cloud.origin}/__local/token?user=bob`)).json()) as { token: string }
    expect((await call(FUNCTIONS['episodes-list'], `Bearer ${token}`)).status).toBe(200)
    const bad = await fetch(`${cloud.origin}/__local/faults/nowhere`, { method: 'PUT', body: '{"mode":"down"}' })
    expect(bad.status).toBe(400)
    expect(
      (await fetch(`${cloud.origin}/__local/faults/gemini`, { method: 'PUT', body: '{"mode":"nap"}' })).status,
    ).toBe(400)
    expect((await fetch(`${cloud.origin}/__local/nothing`)).status).toBe(404)
    expect((await fetch(`${cloud.origin}/__local/redeliver`, { method: 'POST', body: '{"task":"none"}' })).status).toBe(
      404,
    )
  })

  test('set and clear faults, show and empty the journal', async () => {
    expect(
      (await fetch(`${cloud.origin}/__local/faults/gemini`, { method: 'PUT', body: '{"mode":"status","status":500}' }))
        .status,
    ).toBe(204)
    expect((await fetch(`${cloud.origin}/__local/faults`, { method: 'DELETE' })).status).toBe(204)
    const journal = async () => (await fetch(`${cloud.origin}/__local/journal?target=gemini`)).json()
    await fetch(`${cloud.environment['GEMINI_BASE_URL']}/v1beta/nothing`)
    expect(await journal()).toMatchObject({ requests: [{ method: 'GET', path: '/v1beta/nothing' }] })
    expect((await fetch(`${cloud.origin}/__local/journal`, { method: 'DELETE' })).status).toBe(204)
    expect(await journal()).toEqual({ requests: [] })
  })

  test('show what Firestore was asked, with the documents that are billed', async () => {
    const headers = { Authorization: `Bearer ${await cloud.identity.userToken('journal')}` }
    const answer = await fetch(`${cloud.origin}/episodes-get?episodeId=${'a'.repeat(24)}`, { headers })
    expect(answer.status).toBe(404)
    const journal = await fetch(`${cloud.origin}/__local/journal?target=firestore`)
    const { requests } = (await journal.json()) as { requests: object[] }
    expect(requests).toContainEqual({
      at: expect.any(String) as string,
      method: 'BatchGetDocuments',
      status: 0,
      reads: 1,
      writes: 0,
      deletes: 0,
      collections: { episodes: { reads: 1, writes: 0, deletes: 0 } },
    })
  })
})

describe('through the gateway, as at the function itself', () => {
  const post = (...lines: string[]) =>
    ['POST /episodes-create HTTP/1.1', ...lines, 'Connection: close', '', '{}'].join('\r\n')
  const small = 'Content-Length: 2'

  test.each([
    ['no host', 400, post(small)],
    ['two hosts', 400, post('Host: a', 'Host: b', small)],
    ['an expectation nobody can meet', 400, post('Host: a', 'Expect: wonders', small)],
    [
      'a coding we do not know',
      400,
      head('POST', '/episodes-create', { 'Transfer-Encoding': 'gzip, chunked' }) + '0\r\n\r\n',
    ],
    ['a large body that is announced and never comes', 401, post('Host: a', 'Content-Length: 900000000')],
    ['a tunnel', 405, 'CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n'],
    ['a method that is not taken', 405, head('PUT', '/episodes-create', {})],
  ])('%s is answered %i in the envelope', async (_what, status, bytes) => {
    const answer = await exchange(Number(new URL(cloud.origin).port), bytes)
    expect(answer?.status).toBe(status)
    Envelope.parse(JSON.parse(answer?.body ?? ''))
  })

  test('a body that is refused before it is read leaves the answer of the function', async () => {
    const statuses = new Set<number>()
    const refused = async (index: number) => {
      const headers: Record<string, string> = index % 2 === 0 ? {} : { Connection: 'close' }
      const url = `${cloud.functionsBaseUrl}/episodes-create`
      statuses.add((await fetch(url, { method: 'POST', body: 'x'.repeat(3_000), headers })).status)
    }
    for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 25 }, (_, index) => refused(index)))
    expect([...statuses]).toEqual([401])
  })
})
