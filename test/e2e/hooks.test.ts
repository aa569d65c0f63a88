import { Firestore } from '@google-cloud/firestore'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf, paidRequests, settled, startTestCloud, until, uploaded } from './cloud.ts'
import { expectUnaided } from './healing.ts'

let cloud: LocalCloud
let alice: ApiClient
let db: Firestore

beforeAll(async () => {
  cloud = await startTestCloud()
  alice = await clientOf(cloud, 'alice')
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  process.env['FIRESTORE_EMULATOR_HOST'] = cloud.environment['FIRESTORE_EMULATOR_HOST']
  db = new Firestore({ projectId: String(cloud.environment['GOOGLE_CLOUD_PROJECT']) })
})
afterAll(async () => {
  await db.terminate()
  await cloud.stop()
})
afterEach(() => cloud.faults.clear())

async function inProcess(title: string): Promise<string> {
  const { id } = await uploaded(alice, title)
  await alice.act('process', id)
  return id
}

async function tokenOf(id: string, step: 'transcribe' | 'master'): Promise<string> {
  return String((await db.doc(`episodes/${id}`).get()).get(`steps.${step}.job.webhookToken`))
}

async function call(id: string, token: string): Promise<number> {
  const response = await fetch(`${cloud.functionsBaseUrl}/hooks-assemblyai?episodeId=${id}`, {
    method: 'POST',
    headers: { 'X-Steadycast-Hook-Token': token, 'Content-Type': 'application/json' },
    body: JSON.stringify({ transcript_id: 'x', status: 'completed' }),
  })
  return response.status
}

const ONCE = { assemblyai: 1, auphonic: 1, started: 1 }

describe('a webhook', () => {
  test('of a job that is not recorded yet is taken, and changes nothing', async () => {
    await cloud.faults.set('assemblyai', { mode: 'slow', latencyMs: 2500, times: 1 })
    const id = await inProcess('early')
    await until(alice, id, ({ steps }) => steps.transcribe.state === 'running')
    expect(await call(id, await tokenOf(id, 'transcribe'))).toBe(200)
    expect(await call(id, await tokenOf(id, 'transcribe'))).toBe(200)
    expect((await settled(alice, id)).status).toBe('ready')
    expect(paidRequests(cloud, id)).toMatchObject(ONCE)
    await expectUnaided(cloud, id)
    // Late, when all is done: its sender must not be told to try again, nor be told off.
    expect(await call(id, await tokenOf(id, 'transcribe'))).toBe(200)
    expect((await alice.get(id)).status).toBe('ready')
  })

  test('of an earlier generation, of another episode, or made up is refused, and changes nothing', async () => {
    cloud.pace.factor = 20
    const id = await inProcess('late')
    await until(alice, id, ({ steps }) => steps.transcribe.state === 'waiting')
    const old = await tokenOf(id, 'transcribe')
    // A generation with a job of its own.
    await db.doc(`episodes/${id}`).update({ 'steps.transcribe.job.webhookToken': 'of-the-next-generation' })
    const other = await inProcess('other')
    await until(alice, other, ({ steps }) => steps.transcribe.state === 'waiting')
    const before = (await alice.get(id)).updatedAt
    for (const token of [old, await tokenOf(other, 'transcribe'), 'guess', '']) expect(await call(id, token)).toBe(401)
    expect(await call('0'.repeat(24), old)).toBe(401)
    expect((await alice.get(id)).updatedAt).toBe(before)
    cloud.pace.factor = 0.02
    await alice.act('cancel', id)
    await alice.act('cancel', other)
  })
})
