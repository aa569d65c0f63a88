import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { PERMISSIONS, permissionsOf } from '../../infra/cloud/desired/accounts.ts'
import type { ApiClient } from '../../infra/demo/api-client.ts'
import { ACCOUNTS } from '../../infra/local/iam.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { callSweep, clientOf, settled, SPEECH, startTestCloud, until, uploaded } from './cloud.ts'
import { between, expectUnaided } from './healing.ts'

let cloud: LocalCloud
let alice: ApiClient
let admin: string

beforeAll(async () => {
  cloud = await startTestCloud({ environment: { ORPHAN_AGE_HOURS: '0', STALLED_STEP_THRESHOLD_SECONDS: '1' } })
  alice = await clientOf(cloud, 'alice')
  admin = await cloud.identity.userToken('root', 'admin')
})
afterAll(() => cloud.stop())

async function ops(name: string, body?: object): Promise<number> {
  const answer = await fetch(`${cloud.functionsBaseUrl}/${name}`, {
    method: body ? 'POST' : 'GET',
    headers: { Authorization: `Bearer ${admin}`, 'Content-Type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  await answer.arrayBuffer()
  return answer.status
}

function setQueue(queueId: string, state: 'PAUSED' | 'RUNNING'): void {
  for (const [name, queue] of cloud.dispatcher.queues) if (name.endsWith(`/${queueId}`)) queue.resource.state = state
  cloud.dispatcher.wake()
}

/** Everything that Steadycast does, once. */
async function everything(): Promise<void> {
  const finished = await uploaded(alice, 'everything', { intro: { text: 'Everything there is.' } })
  // Once more: the first recording is nobody's any more, and the sweep's to remove.
  await alice.upload(finished.id, SPEECH, 'audio/flac')
  await alice.act('process', finished.id)
  await settled(alice, finished.id)
  await expectUnaided(cloud, finished.id)
  await callSweep(cloud)

  // Straight to storage, by a link.
  const draft = await alice.create({ title: 'by link' })
  const { url, method, headers } = await alice.call<{ url: string; method: string; headers: Record<string, string> }>(
    'POST',
    'episodes-upload-url',
    { episodeId: draft.id, contentType: 'audio/flac', sizeBytes: SPEECH.length },
  )
  await fetch(url, { method, headers, body: SPEECH })
  // It cannot be ready before it is cancelled.
  setQueue('work-master', 'PAUSED')
  await alice.act('process', draft.id)
  await until(alice, draft.id, ({ steps }) => steps.transcribe.state !== 'pending')
  await alice.act('cancel', draft.id)
  setQueue('work-master', 'RUNNING')
  await alice.act('retry', draft.id)
  await settled(alice, draft.id)
  await expectUnaided(cloud, draft.id, { stepsFenced: between(0, 1) })

  await alice.list()
  await alice.call('GET', 'usage-get')
  // A key that is given back: what fails for now leaves nothing behind.
  const again = await uploaded(alice, 'tasks are away')
  await cloud.faults.set('tasks', { mode: 'status', times: 1 })
  await fetch(`${cloud.functionsBaseUrl}/episodes-process`, {
    method: 'POST',
    headers: {
      Authorization: `Bearer ${await cloud.identity.userToken('alice')}`,
      'Content-Type': 'application/json',
      'Idempotency-Key': 'given back',
    },
    body: JSON.stringify({ episodeId: again.id }),
  })
  await cloud.faults.clear()

  // Notes that are declined: who had reserved them lets others write them.
  const declined = await uploaded(alice, 'declined')
  await cloud.faults.set('gemini', { mode: 'blocked' })
  await alice.act('process', declined.id)
  expect(await settled(alice, declined.id)).toMatchObject({ status: 'ready', degraded: ['write'] })
  await cloud.faults.clear()

  // A task that was lost.
  const lost = await uploaded(alice, 'lost')
  for (const queue of cloud.dispatcher.queues.values()) queue.resource = { ...queue.resource, state: 'PAUSED' }
  await alice.act('process', lost.id)
  for (const queue of cloud.dispatcher.queues.values()) {
    queue.purge(Date.now())
    queue.resource = { ...queue.resource, state: 'RUNNING' }
  }
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  await callSweep(cloud)
  await settled(alice, lost.id)
  await expectUnaided(cloud, lost.id, { cures: 1 })

  await alice.call('POST', 'episodes-delete', { episodeId: finished.id })
  await callSweep(cloud)
  expect(await ops('ops-breakers', { name: 'gcs', action: 'close', reason: 'a rehearsal' })).toBe(200)
  expect(await ops('ops-breakers', { name: 'gcs', action: 'auto', reason: 'a rehearsal' })).toBe(200)
  // A check that takes too long on a busy machine is done again.
  await expect.poll(() => ops('ops-health'), { timeout: 30_000, interval: 500 }).toBe(200)
}

describe('what each account may do', () => {
  test('is what its functions do, and nothing else', async () => {
    await everything()
    for (const account of ACCOUNTS)
      expect({ account, used: cloud.iam.usedPermissions(account).toSorted(byName) }).toEqual({
        account,
        used: permissionsOf(account).toSorted(byName),
      })
  })

  test('is all that the local cloud lets it do', () => {
    expect(cloud.iam.lacking('live', ['datastore.entities.get'])).toBe('datastore.entities.get')
    expect(() => cloud.iam.grpcGate('hooks')('Commit', { writes: [{ delete: 'x' }] })).toThrow(
      /datastore.entities.delete/,
    )
    expect(Object.keys(PERMISSIONS)).toEqual(ACCOUNTS)
  })
})

function byName(a: string, b: string): number {
  return a.localeCompare(b)
}
