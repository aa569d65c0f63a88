import { Firestore } from '@google-cloud/firestore'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { callSweep, clientOf, paidRequests, settled, startTestCloud, until, uploaded } from '../e2e/cloud.ts'
import { between, expectUnaided } from '../e2e/healing.ts'

const DATABASE = 'restored'

let cloud: LocalCloud
let alice: ApiClient
let db: Firestore

beforeAll(async () => {
  cloud = await startTestCloud({ environment: { FIRESTORE_DATABASE: DATABASE, STALLED_STEP_THRESHOLD_SECONDS: '1' } })
  alice = await clientOf(cloud, 'alice')
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  process.env['FIRESTORE_EMULATOR_HOST'] = cloud.environment['FIRESTORE_EMULATOR_HOST']
  db = new Firestore({ projectId: String(cloud.environment['GOOGLE_CLOUD_PROJECT']), databaseId: DATABASE })
})
afterAll(async () => {
  await db.terminate()
  await cloud.stop()
})

type Backup = { path: string; data: FirebaseFirestore.DocumentData }[]

async function backup(): Promise<Backup> {
  const collections = await db.listCollections()
  const all = await Promise.all(collections.map((collection) => collection.get()))
  return all.flatMap(({ docs }) => docs.map((one) => ({ path: one.ref.path, data: one.data() })))
}

/** As a restore leaves a database: what was written since the backup is gone. */
async function restore(kept: Backup): Promise<void> {
  for (const { path } of await backup()) if (!kept.some((one) => one.path === path)) await db.doc(path).delete()
  for (const { path, data } of kept) await db.doc(path).set(data)
}

describe('a database that was restored from a backup', () => {
  test('is one whose episodes go on from where they were then; what storage and providers know is not paid for again', async () => {
    const draft = await uploaded(alice, 'an hour ago', { intro: { text: 'From an hour ago.' } })
    await alice.act('process', draft.id)
    await until(alice, draft.id, ({ steps }) => steps.transcribe.state === 'waiting')
    const hourAgo = await backup()
    expect((await settled(alice, draft.id)).status).toBe('ready')
    await expectUnaided(cloud, draft.id)

    await restore(hourAgo)
    expect((await alice.get(draft.id)).status).toBe('processing')
    // Names of tasks that were used since stay taken for a day: the sweep goes past them.
    const sweeping = setInterval(() => void callSweep(cloud), 1_200)
    const again = await settled(alice, draft.id).finally(() => clearInterval(sweeping))
    expect(again.status).toBe('ready')
    await expectUnaided(cloud, draft.id, { cures: between(1, 20) })
    // What only the database knew, that notes were written and a production was made, is paid for once more.
    const once = { assemblyai: 1, elevenlabs: 1 }
    expect(paidRequests(cloud, draft.id)).toEqual({ ...once, gemini: 2, auphonic: 2, started: 2 })
  })
})
