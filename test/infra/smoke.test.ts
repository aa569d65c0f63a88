import { spawnSync } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { Journal } from '../../infra/local/journal.ts'
import { WorkLog } from '../../infra/local/providers/stand-in.ts'
import { STAND_INS } from '../../infra/local/providers/stand-ins.ts'
import { smoke } from '../../infra/smoke/compare.ts'
import { questionOf } from '../../infra/smoke/recorder.ts'
import { differencesOf, reportOf } from '../../infra/smoke/report.ts'
import { compareShapes, shapeOf } from '../../infra/smoke/shape.ts'
import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'
import type { ProviderName } from '../../shared/providers/providers.ts'

const root = fileURLToPath(new URL('../../', import.meta.url))
const KEY = 'the-real-key'

/** "Real services": stand-ins behind a server that changes some of what they answer. */
const journal = new Journal()
const stops: (() => Promise<void>)[] = []
const environment: Record<string, string> = {}
let change: (path: string, body: Record<string, unknown>) => unknown = (_path, body) => body

beforeAll(async () => {
  for (const name of PROVIDER_NAMES) {
    const { basePath, makeServers } = STAND_INS[name]
    const world = { faults: new Faults(), journal, apiKey: KEY, pace: { factor: 0 } }
    const { api, behind } = makeServers(world, new WorkLog())
    for (const server of [...behind, api]) {
      await server.start()
      stops.push(() => server.stop())
    }
    environment[`${name.toUpperCase()}_API_KEY`] = KEY
    environment[`${name.toUpperCase()}_BASE_URL`] = `${await changing(api.origin)}${basePath}`
  }
})
afterAll(async () => {
  for (const stop of stops) await stop()
})

async function changing(upstream: string): Promise<string> {
  const server = createServer(async (request, response) => {
    const sent = Buffer.concat(await request.toArray())
    const { host: _host, connection: _connection, 'transfer-encoding': _encoding, ...headers } = request.headers
    const answer = await fetch(`${upstream}${request.url}`, {
      method: request.method ?? 'GET',
      headers: headers as Record<string, string>,
      redirect: 'manual',
      ...(sent.length > 0 && { body: sent }),
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    const isJson = answer.headers.get('content-type')?.includes('json') === true
    const made =
      isJson && bytes.length > 0 ? JSON.stringify(change(request.url ?? '', JSON.parse(bytes.toString()))) : bytes
    const { 'content-length': _length, ...kept } = Object.fromEntries(answer.headers)
    response.writeHead(answer.status, kept).end(made)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  stops.push(async () => {
    server.closeAllConnections()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

const visit = (...names: ProviderName[]) =>
  smoke(names, { environment, recordingPath: `${root}test/fixtures/speech.flac`, pollMs: 20, say: () => undefined })

describe('a visit to real services', () => {
  test('makes every kind of call once, finds no difference where there is none, and leaves nothing behind', async () => {
    change = (_path, body) => body
    journal.clear()
    const all = await visit(...PROVIDER_NAMES)
    for (const seen of all) {
      expect([seen.provider, seen.failed, seen.notes]).toEqual([seen.provider, false, seen.notes])
      expect([seen.provider, Object.fromEntries(differencesOf(seen))]).toEqual([seen.provider, {}])
      expect(seen.real.length).toBeGreaterThan(1)
    }
    const sent = (target: string, method: string) => journal.of(target).filter((one) => one.method === method).length
    expect([sent('assemblyai', 'DELETE'), sent('auphonic', 'DELETE')]).toEqual([1, 1])
    expect(sent('gemini', 'POST')).toBe(1)
  })

  test('tells where the real answers are not as the stand-in’s, and nothing of what is in them', async () => {
    change = (path, body) => {
      if (path.startsWith('/v2/transcript/') && body['status'] === 'completed')
        return { ...body, audio_duration: null, secret_new_field: { of: 'somebody' } }
      if (path.includes('generateContent')) return { ...body, usageMetadata: undefined }
      return body
    }
    const all = await visit('assemblyai', 'gemini')
    const report = reportOf(all, new Date('2026-11-28'))
    expect(report).toContain('### GET /v2/transcript/{id}')
    expect(report).toContain('- `audio_duration`: really null, here whole number')
    expect(report).toContain('- `secret_new_field` (object): only the real one has it')
    expect(report).toContain('- `usageMetadata` (object): only the stand-in has it')
    expect(report).not.toContain('somebody')
    expect(report).not.toContain(KEY)
  })

  test('says what failed, goes on with the rest, and still removes what it made', async () => {
    const isRead = /\/production\/[^/]+\.json$/
    change = (path, body) => (isRead.test(path) ? { ...body, data: {} } : body)
    journal.clear()
    const [auphonic] = await visit('auphonic')
    expect(auphonic).toMatchObject({ failed: true })
    expect(auphonic?.notes.join()).toContain('masterings failed')
    expect(journal.of('auphonic').filter(({ method }) => method === 'DELETE')).toHaveLength(1)
  })
})

describe('the command', () => {
  const run = (...words: string[]) =>
    spawnSync(process.execPath, [`${root}infra/smoke/smoke.ts`, ...words], {
      env: { PATH: process.env['PATH'] },
      encoding: 'utf8',
    })

  test('without keys names those that are missing, calls nothing, and exits 2', () => {
    const { status, stderr } = run('gemini')
    expect([status, stderr]).toEqual([2, 'Not set, in .env or the environment: GEMINI_API_KEY. Nothing was called.\n'])
  })

  test('knows who there is', () => {
    const { status, stderr } = run('nobody')
    expect(status).toBe(2)
    expect(stderr).toContain('There is no provider nobody.')
    expect(run('--help').status).toBe(0)
  })
})

test('shapes are compared where something is, of what kind, and by its topmost missing part', () => {
  const real = shapeOf([{ a: 1, list: [{ x: 'y' }], gone: { deep: { deeper: 1 } } }])
  const here = shapeOf([{ a: 1.5, list: [{ x: null }], extra: true }])
  expect(compareShapes(real, here)).toEqual([
    '`list[].x`: really string, here null',
    '`gone` (object): only the real one has it',
    '`extra` (boolean): only the stand-in has it',
  ])
})

test.each([
  ['GET', '/v2/transcript/8a7-b6?x=1', 'GET /v2/transcript/{id}'],
  ['POST', '/api/production/VkuGWLRRDTWWTMYD5ZcgTa/start.json', 'POST /api/production/{id}/start.json'],
  ['DELETE', '/production/ZKxtYoXsSQcVHZVrYDvzzA.json', 'DELETE /production/{id}.json'],
  ['GET', '/production/VkuGWLRRDTWW9.json', 'GET /production/{id}.json'],
  ['POST', '/v1/models/gemini-3.8-flash:generateContent', 'POST /v1/models/gemini-3.8-flash:generateContent'],
])('%s %s asks %s', (method, url, question) => {
  expect(questionOf(method, url)).toBe(question)
})
