import { fileURLToPath } from 'node:url'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { FUNCTIONS } from '../../functions/functions.ts'
import { buildDist, DIST } from '../../infra/build/build.ts'
import { startFunctionsEmulator } from '../../infra/local/functions/emulator.ts'
import { LOCAL_PROJECT, LOCAL_REGION } from '../../infra/local/local-cloud.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf, settled, startTestCloud, uploaded } from './cloud.ts'

/** The same handlers, compiled: under functions-framework as the platform starts it, and under the Functions emulator. */
const root = fileURLToPath(new URL('../../', import.meta.url))
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
  })
})

describe('compiled, under the Firebase Functions emulator', () => {
  const origin = 'http://127.0.0.1:5001'
  let cloud: LocalCloud
  let emulator: Awaited<ReturnType<typeof startFunctionsEmulator>>
  const lines: string[] = []

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
      onLine: (line) => lines.push(line),
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
  })
})
