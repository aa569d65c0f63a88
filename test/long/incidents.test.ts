import { Firestore } from '@google-cloud/firestore'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { clientOf, paidRequests, settled, startTestCloud, until, uploaded } from '../e2e/cloud.ts'
import { between, expectUnaided } from '../e2e/healing.ts'

/** What has happened to others in production, each as a fact about us; incidents.ts lists where the rest is tested. */
let cloud: LocalCloud
let alice: ApiClient
let db: Firestore

beforeAll(async () => {
  cloud = await startTestCloud({ environment: { STEP_LEASE_SECONDS: '3', SAFETY_POLL_SECONDS: '3' } })
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

const ONCE = { assemblyai: 1, auphonic: 1, started: 1 }

async function inProcess(title: string, options?: Record<string, unknown>): Promise<string> {
  const { id } = await uploaded(alice, title, options)
  await alice.act('process', id)
  return id
}

function signalAll(signal: NodeJS.Signals, name = /./): number {
  const processes = cloud.instances?.live().filter((instance) => name.test(instance.name)) ?? []
  return processes.filter(({ process }) => process.kill(signal)).length
}

describe('an episode', () => {
  test('whose last write fails at first is ready all the same, without a sweep', async () => {
    const id = await inProcess('last write')
    await until(alice, id, ({ steps }) => steps.master.state === 'done')
    await cloud.faults.set('firestore', { mode: 'reset', times: 6 })
    const episode = await settled(alice, id).catch(() => settled(alice, id))
    expect(episode.status).toBe('ready')
    expect(paidRequests(cloud, id)).toMatchObject(ONCE)
    await expectUnaided(cloud, id, { redeliveries: between(0, 3), attemptsLost: between(0, 3) })
  })

  test('survives a deploy that ends every process in the middle of it', async () => {
    const id = await inProcess('deploy')
    for (const step of ['transcribe', 'write', 'master'] as const) {
      await until(alice, id, ({ steps, status }) => status !== 'processing' || steps[step].state !== 'pending')
      expect(signalAll('SIGTERM')).toBeGreaterThan(0)
    }
    expect((await settled(alice, id)).status).toBe('ready')
    expect(paidRequests(cloud, id)).toMatchObject(ONCE)
    await expectUnaided(cloud, id, { redeliveries: between(0, 6), attemptsLost: between(0, 3) })
  })

  test('goes on although the process that accepted it is frozen right after its answer', async () => {
    const id = await inProcess('frozen')
    expect(signalAll('SIGSTOP', /^episodes-process$/)).toBe(1)
    try {
      expect((await settled(alice, id)).status).toBe('ready')
      await expectUnaided(cloud, id)
    } finally {
      signalAll('SIGCONT', /^episodes-process$/)
    }
  })

  test('does not ask a service it does not use', async () => {
    await cloud.faults.set('elevenlabs', { mode: 'down' })
    const episode = await settled(alice, await inProcess('no intro'))
    expect(episode).toMatchObject({ status: 'ready', steps: { voice: { state: 'skipped' } }, degraded: [] })
    await expectUnaided(cloud, episode.id)
  })
})

describe('reads', () => {
  test('change nothing', async () => {
    const id = await inProcess('read')
    await settled(alice, id)
    await expectUnaided(cloud, id)
    const versions = async () => {
      const collections = await db.listCollections()
      const documents = await Promise.all(collections.map((one) => one.get()))
      return documents.flatMap(({ docs }) => docs.map(({ ref, updateTime }) => `${ref.path} ${updateTime.toMillis()}`))
    }
    const before = await versions()
    expect(before.filter((one) => one.startsWith('episodes/')).length).toBeGreaterThan(0)
    await alice.get(id)
    await alice.list()
    await alice.call('GET', `episodes-get?episodeId=${id}&history=1`)
    expect((await versions()).filter((one) => one.startsWith('episodes/'))).toEqual(
      before.filter((one) => one.startsWith('episodes/')),
    )
  })
})
