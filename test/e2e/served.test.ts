import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { FUNCTIONS } from '../../functions/functions.ts'
import { buildDist, DIST } from '../../infra/build/build.ts'
import { startFunctionsEmulator } from '../../infra/local/functions/emulator.ts'
import { LOCAL_PROJECT, LOCAL_REGION } from '../../infra/local/local-cloud.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { Envelope } from '../shared/http/raw-client.ts'
import { clientOf, settled, startTestCloud, uploaded } from './cloud.ts'
import { expectUnaided, linesOf } from './healing.ts'

/** The same handlers, compiled: under functions-framework as the platform starts it, and under the Functions emulator. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const bomb = gzipSync(Buffer.alloc(50 * 1024 * 1024))
beforeAll(() => buildDist(LOCAL_REGION))

describe('compiled, under functions-framework', () => {
  let cloud: LocalCloud
  beforeAll(async () => {
    cloud = await startTestCloud({ source: DIST })
  })
  afterAll(() => cloud.stop())

  test('an episode is finished', async () => {
    const client = await clientOf(cloud, 'alice')
    const draft = await uploaded(client, 'compiled', { intro: { text: 'Hello.' } })
    await client.act('process', draft.id)
    expect((await settled(client, draft.id)).status).toBe('ready')
    await expectUnaided(cloud, draft.id)
  })

  answersAsEverywhere(() => cloud)
})

describe('compiled, under the Firebase Functions emulator', () => {
  const origin = 'http://127.0.0.1:5001'
  let cloud: LocalCloud
  let emulator: Awaited<ReturnType<typeof startFunctionsEmulator>>

  beforeAll(async () => {
    cloud = await startTestCloud({
      source: undefined,
      functionsBaseUrl: `${origin}/${LOCAL_PROJECT}/${LOCAL_REGION}`,
    })
    emulator = await startFunctionsEmulator({
      configFile: `${root}firebase.json`,
      logFolder: `${root}.steadycast`,
      projectId: LOCAL_PROJECT,
      origin,
      functionsExpected: Object.keys(FUNCTIONS).length,
      environment: cloud.environment,
      onLine: (line) => linesOf(cloud).hear(line),
    })
  }, 120_000)
  afterAll(async () => {
    await emulator?.stop()
    await cloud.stop()
  })

  test('every function is discovered, and an episode is finished by calling through it', async () => {
    expect((await fetch(`${cloud.functionsBaseUrl}/ops-live`)).status).toBe(200)
    expect((await fetch(`${cloud.functionsBaseUrl}/episodes-list`)).status).toBe(401)
    const client = await clientOf(cloud, 'alice')
    const draft = await uploaded(client, 'emulated')
    await client.act('process', draft.id)
    expect((await settled(client, draft.id)).status).toBe('ready')
    await expectUnaided(cloud, draft.id)
  })

  answersAsEverywhere(() => cloud)
})

/** The edge's promises, called from outside. */
function answersAsEverywhere(cloud: () => LocalCloud): void {
  test('a key replays its answer', async () => {
    const headers = { ...(await asAlice()), 'Idempotency-Key': 'one' }
    const create = () => fetch(`${cloud().functionsBaseUrl}/episodes-create`, { method: 'POST', headers, body: '{}' })
    const [first, again] = [await create(), await create()]
    expect([first.status, again.status, again.headers.get('idempotency-replayed')]).toEqual([201, 201, 'true'])
    expect(await again.text()).toBe(await first.text())
  })

  test.each([
    ['malformed JSON', 'episodes-create', { body: '{"a":' }, 400],
    [
      'an inflated body over the limit',
      'episodes-create',
      { body: bomb, headers: { 'Content-Encoding': 'gzip' } },
      413,
    ],
    ['a declared body over the limit', 'episodes-upload', { body: Buffer.alloc(31 * 1024 * 1024) }, 413],
    ['an encoded upload', 'episodes-upload', { body: bomb, headers: { 'Content-Encoding': 'gzip' } }, 415],
    ['a path below', 'ops-live/favicon.ico', { method: 'GET' }, 404],
    ['a method', 'ops-live', { method: 'DELETE' }, 405],
  ])('%s is answered as everywhere', async (_what, path, init, status) => {
    const response = await fetch(`${cloud().functionsBaseUrl}/${path}`, {
      method: 'POST',
      ...init,
      headers: { ...(await asAlice()), ...('headers' in init ? init.headers : {}) },
    })
    expect(response.status).toBe(status)
    expect(response.headers.get('x-response-time')).toMatch(/ms$/)
    Envelope.parse(await response.json())
  })

  async function asAlice(): Promise<Record<string, string>> {
    return {
      Authorization: `Bearer ${await cloud().identity.userToken('alice')}`,
      'Content-Type': 'application/json',
    }
  }
}
