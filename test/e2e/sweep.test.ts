import { Firestore } from '@google-cloud/firestore'
import { Storage } from '@google-cloud/storage'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import { LOCAL_TASKS_ACCOUNT } from '../../infra/local/identity.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodesReport } from '../../shared/dependencies/sweep.ts'
import type { HistoryView } from '../../shared/podcast/view.ts'
import { callSweep, clientOf, paidRequests, requestsTo, settled, startTestCloud, until, uploaded } from './cloud.ts'
import { between, expectUnaided } from './healing.ts'
import { older } from './older.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const ORPHAN_AGE_HOURS = 1

let cloud: LocalCloud
let alice: ApiClient
let db: Firestore
let bucket: ReturnType<Storage['bucket']>

beforeAll(async () => {
  cloud = await startTestCloud({ environment: { ORPHAN_AGE_HOURS: String(ORPHAN_AGE_HOURS) } })
  alice = await clientOf(cloud, 'alice')
  const { environment } = cloud
  process.env['GOOGLE_APPLICATION_CREDENTIALS'] = environment['GOOGLE_APPLICATION_CREDENTIALS']
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  process.env['FIRESTORE_EMULATOR_HOST'] = environment['FIRESTORE_EMULATOR_HOST']
  db = new Firestore({ projectId: String(environment['GOOGLE_CLOUD_PROJECT']) })
  const storage = new Storage({
    projectId: 'demo-steadycast',
    apiEndpoint: String(environment['STORAGE_API_ENDPOINT']),
  })
  bucket = storage.bucket(String(environment['STORAGE_BUCKET']))
})
afterAll(async () => {
  await db.terminate()
  await cloud.stop()
})
afterEach(async () => {
  await cloud.faults.clear()
  resumeAll()
  cloud.pace.factor = 0.02
})

function pause(queueId: string): void {
  for (const [name, queue] of cloud.dispatcher.queues) if (name.endsWith(`/${queueId}`)) queue.resource.state = 'PAUSED'
}

function resumeAll(): void {
  for (const queue of cloud.dispatcher.queues.values()) queue.resource.state = 'RUNNING'
  cloud.dispatcher.wake()
}

const queueOf = (queueId: string) =>
  [...cloud.dispatcher.queues.values()].find(({ resource }) => resource.name.endsWith(`/${queueId}`))
const tasksOf = (queueId: string) => [...(queueOf(queueId)?.tasks.keys() ?? [])].toSorted()

/** Makes tasks wait since longer. */
function ageTasks(queueId: string, byMs: number): void {
  for (const task of queueOf(queueId)?.tasks.values() ?? []) task.scheduleTimeMs -= byMs
}

async function sweep(body?: object): Promise<EpisodesReport> {
  const { status, json } = await callSweep(cloud, body)
  expect(status).toBe(200)
  return json
}

/** What a sweep says of one episode. */
const about = (report: EpisodesReport, id: string) => report.episodes.filter(({ episodeId }) => episodeId === id)

const documentOf = (id: string) => db.doc(`episodes/${id}`)

/** Makes everything about an episode older. */
async function age(
  id: string,
  byMs: number,
  change: (document: Record<string, unknown>) => Record<string, unknown> = (document) => document,
) {
  const stored = (await documentOf(id).get()).data() ?? {}
  await documentOf(id).set(older(change(stored), byMs))
}

async function inProcess(title: string, options: Record<string, unknown> = {}): Promise<string> {
  const { id } = await uploaded(alice, title, options)
  await alice.act('process', id)
  return id
}

/** Makes what storage holds of an episode older than an orphan may be; what comes after is young. */
function ageObjects(prefix: string): void {
  const bucketName = String(cloud.environment['STORAGE_BUCKET'])
  for (const object of cloud.buckets.list(bucketName, prefix))
    object.timeCreated = new Date(Date.parse(object.timeCreated) - ORPHAN_AGE_HOURS * HOUR_MS).toISOString()
}

const pauseMs = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

describe('the sweep', () => {
  test('lets in Cloud Scheduler and admins, and nobody else', async () => {
    const url = `${cloud.functionsBaseUrl}/ops-sweep`
    const { identity } = cloud
    const tokens = [
      [await identity.userToken('root', 'admin'), 200],
      [await identity.userToken('alice'), 403],
      [await identity.serviceToken(LOCAL_TASKS_ACCOUNT, url), 403],
      ['a.b.c', 401],
    ] as const
    for (const [token, status] of tokens) expect((await callSweep(cloud, { dryRun: true }, token)).status).toBe(status)
    expect(await sweep()).toMatchObject({ dryRun: false, stuck: 0, failed: 0, more: false })
  })

  test('gives a step whose task was lost to another, once, and says so; a dry run says the same and does nothing', async () => {
    pause('work-transcribe')
    const id = await inProcess('lost task')
    for (const queue of cloud.dispatcher.queues.values()) queue.tasks.clear()
    expect(about(await sweep(), id)).toEqual([])
    await age(id, 10 * MINUTE_MS)

    const dry = await sweep({ dryRun: true })
    const [ruling] = about(dry, id)
    expect(dry).toMatchObject({ dryRun: true, requeued: 1, stuck: 1 })
    expect(ruling).toMatchObject({
      step: 'transcribe',
      action: 'requeue',
      reason: expect.stringMatching(/^it is pending and should have been looked at 6\d\d s ago/) as string,
    })
    expect((await alice.get(id)).steps.transcribe.state).toBe('pending')

    const both = await Promise.all([sweep(), sweep()])
    expect(both.reduce((sum, { requeued }) => sum + requeued, 0)).toBe(1)
    expect(both.flatMap((report) => about(report, id)).find(({ action }) => action !== 'none')).toMatchObject({
      action: ruling?.action,
      step: ruling?.step,
      detectedAfterSeconds: between(449, 509),
    })
    resumeAll()
    expect((await settled(alice, id)).status).toBe('ready')
    expect(paidRequests(cloud, id)).toMatchObject({ assemblyai: 1, gemini: 1, auphonic: 1, started: 1 })
    await expectUnaided(cloud, id, { cures: 1 })

    const [record] = (await db.collection('sweeps').where('requeued', '==', 1).get()).docs
    expect(record?.data()).toMatchObject({ dryRun: false, episodes: [{ episodeId: id, action: 'requeue' }] })
  })

  test('gives nothing twice to a queue that is paused, however often it looks; resumed, that brings each task once', async () => {
    pause('work-write')
    const ids = await Promise.all(Array.from({ length: 5 }, (_, index) => inProcess(`backlog ${index}`)))
    for (const id of ids) await until(alice, id, ({ steps }) => steps.transcribe.state === 'done')
    const waiting = tasksOf('work-write')
    expect(waiting).toHaveLength(5)
    for (const hours of [0.2, 5]) {
      ageTasks('work-write', hours * HOUR_MS)
      for (const id of ids) await age(id, hours * HOUR_MS)
      const reports = [await sweep({ dryRun: true }), await sweep(), await sweep()]
      for (const report of reports) expect(report).toMatchObject({ stuck: 0, requeued: 0, markedError: 0, failed: 0 })
      // The next look is put off, so that the second finds nothing due.
      const seen = reports.map((report) => ids.flatMap((id) => about(report, id)).map(({ reason }) => reason))
      const held = 'the task of write is in its queue, which is slow or paused'
      expect(seen).toEqual([ids.map(() => held), ids.map(() => held), []])
      expect(tasksOf('work-write')).toEqual(waiting)
    }
    resumeAll()
    for (const id of ids) {
      expect((await settled(alice, id)).status).toBe('ready')
      const delivered = cloud.journal.of('tasks').filter(({ task, queue }) => {
        return queue === 'work-write' && String(task).includes(id)
      })
      expect(delivered).toHaveLength(1)
      await expectUnaided(cloud, id)
    }
  })

  test('ends what made no progress for too long with the reason; a retry goes on from there', async () => {
    pause('work-write')
    const id = await inProcess('stuck')
    await until(alice, id, ({ steps }) => steps.transcribe.state === 'done')
    for (const queue of cloud.dispatcher.queues.values()) queue.tasks.clear()
    await age(id, 3 * HOUR_MS)
    expect(await sweep()).toMatchObject({ markedError: 1, stuck: 1 })
    expect(await alice.get(id)).toMatchObject({
      status: 'error',
      error: {
        code: 'stuck',
        retryable: true,
        error_id: expect.stringMatching(/^[\da-f-]{36}$/) as string,
        technical_message: expect.stringMatching(
          /^write is pending: last progress \d+ s ago, no lease, 0 attempts$/,
        ) as string,
      },
    })
    resumeAll()
    await alice.act('retry', id)
    expect((await settled(alice, id)).status).toBe('ready')
    expect(paidRequests(cloud, id).assemblyai).toBe(1)
    await expectUnaided(cloud, id, { cures: 1 })
    const { history } = await alice.call<{ history: HistoryView[] }>('GET', `episodes-get?episodeId=${id}&history=1`)
    expect(
      history.filter(({ what }) => what === 'episode').map(({ from, to, by }) => [from, to, by.split(' ')[0]]),
    ).toEqual([
      [undefined, 'draft', 'owner'],
      ['draft', 'processing', 'owner'],
      ['processing', 'error', 'sweep'],
      ['error', 'processing', 'owner'],
      ['processing', 'ready', 'attempt'],
    ])
    expect(history.filter(({ what }) => what === 'write').map(({ to }) => to)).toEqual([
      'error',
      'pending',
      'running',
      'done',
    ])
  })

  test('finishes an episode whose outputs are in storage although nobody wrote it down', async () => {
    const id = await inProcess('final write lost')
    await settled(alice, id)
    await expectUnaided(cloud, id)
    const before = paidRequests(cloud, id)
    await age(id, HOUR_MS, (document) => {
      const steps = document['steps'] as Record<string, object>
      const { finish: _lost, ...results } = document['results'] as Record<string, unknown>
      const finish = { ...steps['finish'], state: 'running', lease: { token: 'gone', untilMs: Date.now() } }
      return { ...document, status: 'processing', results, steps: { ...steps, finish }, sweepAtMs: Date.now() }
    })
    const report = await sweep()
    expect(report).toMatchObject({ finished: 1, requeued: 0, markedError: 0 })
    expect(about(report, id)).toMatchObject([{ step: 'finish', action: 'finish' }])
    const finished = await alice.get(id)
    expect(finished.status).toBe('ready')
    expect((await fetch(String(finished.outputs?.audioUrl))).status).toBe(200)
    expect(paidRequests(cloud, id)).toEqual(before)
    await expectUnaided(cloud, id, { cures: 1 })
  })

  test('is not stopped by a document that nobody can read, and leaves it alone for a while', async () => {
    pause('work-transcribe')
    const id = await inProcess('beside a bad one')
    for (const queue of cloud.dispatcher.queues.values()) queue.tasks.clear()
    await age(id, 10 * MINUTE_MS)
    await documentOf('unreadable').set({ sweepAtMs: 1, status: 'who knows' })
    const [first, second] = [await sweep(), await sweep()]
    expect(first).toMatchObject({ failed: 1, requeued: 1 })
    expect(about(first, id)).toMatchObject([{ action: 'requeue' }])
    expect(about(first, 'unreadable')).toMatchObject([{ action: 'none' }])
    expect(second).toMatchObject({ failed: 0, requeued: 0 })
    expect(about(second, 'unreadable')).toEqual([])
    await documentOf('unreadable').delete()
    await alice.act('cancel', id)
  })

  test('removes what an ended episode does not refer to, and nothing else', async () => {
    const id = await inProcess('orphans')
    await settled(alice, id)
    const prefix = `episodes/${id}/`
    await expectUnaided(cloud, id)
    const kept = await names(prefix)
    await bucket.file(`${prefix}source/replaced`).save('an upload that was replaced')
    await bucket.file(`${prefix}g9/notes.json`).save('of an attempt that lost its lease')
    ageObjects(prefix)
    await bucket.file(`${prefix}g10/notes.json`).save('of a retry that has just begun')
    await age(id, HOUR_MS)
    expect(await sweep()).toMatchObject({ failed: 0 })
    expect(await names(prefix)).toEqual([...kept, `${prefix}g10/notes.json`].toSorted())
    expect(await sweep()).toMatchObject({ cleaned: 0 })
    const { outputs } = await alice.get(id)
    expect((await fetch(String(outputs?.audioUrl))).status).toBe(200)
  })
})

describe('the clean-up', () => {
  test('keeps the recording of an episode that failed, however old, for the retry', async () => {
    await cloud.faults.set('gemini', { mode: 'blocked' })
    const id = await inProcess('failed long ago', { fallbacks: [] })
    expect((await settled(alice, id)).status).toBe('error')
    ageObjects(`episodes/${id}/`)
    await age(id, 1000 * HOUR_MS)
    expect(await sweep()).toMatchObject({ failed: 0, cleaned: 1 })
    await cloud.faults.clear()
    await alice.act('retry', id)
    expect((await settled(alice, id)).status).toBe('ready')
    expect(paidRequests(cloud, id).assemblyai).toBe(1)
    await expectUnaided(cloud, id, { failures: 1 })
  })
})

describe('the providers', () => {
  test('are told to stop the mastering of a cancelled episode, later if they cannot be reached', async () => {
    for (const down of [false, true]) {
      const id = await mastering(`cancelled ${down}`)
      if (down) await cloud.faults.set('auphonic', { mode: 'down' })
      await alice.act('cancel', id)
      if (down) {
        await pauseMs(500)
        await cloud.faults.clear()
      }
      await expect
        .poll(
          async () => {
            if (down) await sweep()
            return requestsTo(cloud, 'auphonic', /stop\.json$/, id)
          },
          { timeout: 90_000, interval: 500 },
        )
        .toBeGreaterThan(0)
      await expect
        .poll(async () => JSON.stringify((await documentOf(id).get()).get('steps.master.job')))
        .toBe(undefined)
      cloud.pace.factor = 0.02
      await alice.act('retry', id)
      expect((await settled(alice, id)).status).toBe('ready')
      expect(paidRequests(cloud, id)).toMatchObject({ assemblyai: 1, gemini: 1, auphonic: 2, started: 2 })
      // The order to stop it is a task as well, and fails while its provider cannot be reached.
      await expectUnaided(cloud, id, { redeliveries: down ? between(1, 3) : 0 })
    }
  })

  test('keep nothing of a deleted episode, and neither do storage and the store', async () => {
    const id = await inProcess('deleted')
    await settled(alice, id)
    ageObjects(`episodes/${id}/`)
    await sweep()
    await cloud.faults.set('assemblyai', { mode: 'down' })
    await alice.delete(id)
    await expect(alice.get(id)).rejects.toMatchObject({ status: 404 })
    expect(await sweep()).toMatchObject({ failed: 1 })
    await cloud.faults.clear()
    await age(id, HOUR_MS)
    expect(await sweep()).toMatchObject({ failed: 0, cleaned: 1 })
    const removed = (target: string) =>
      cloud.journal.of(target).filter((entry) => entry.method === 'DELETE' && entry.episodeId === id)
    expect([removed('assemblyai').length, removed('auphonic').length]).toEqual([1, 1])
    expect((await documentOf(id).get()).exists).toBe(false)
    expect(await names(`episodes/${id}/`)).toEqual([])
  })

  async function mastering(title: string): Promise<string> {
    pause('work-master')
    const id = await inProcess(title)
    await until(alice, id, ({ steps }) => steps.write.state === 'done')
    cloud.pace.factor = 50
    resumeAll()
    await expect.poll(() => requestsTo(cloud, 'auphonic', /start\.json$/, id), { timeout: 20_000 }).toBe(1)
    await until(alice, id, ({ steps }) => steps.master.state === 'waiting')
    return id
  }
})

async function names(prefix: string): Promise<string[]> {
  const [files] = await bucket.getFiles({ prefix })
  return files.map(({ name }) => name).toSorted()
}
