import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { CloudSchedulerClient } from '@google-cloud/scheduler'
import { CloudTasksClient } from '@google-cloud/tasks'
import { grpc } from 'google-gax'
import { createLocalJWKSet, jwtVerify } from 'jose'
import type { JSONWebKeySet } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { GrpcService, serviceOf } from '../../infra/local/grpc-service.ts'
import { Identity } from '../../infra/local/identity.ts'
import { Journal } from '../../infra/local/journal.ts'
import { Dispatcher } from '../../infra/local/tasks/dispatcher.ts'
import { callTarget } from '../../infra/local/tasks/http-target.ts'
import { Queue } from '../../infra/local/tasks/queue.ts'
import { Scheduler } from '../../infra/local/tasks/scheduler.ts'
import { tasksMethods } from '../../infra/local/tasks/tasks-methods.ts'

type Delivery = { headers: IncomingHttpHeaders; path: string; body: string }

const identity = new Identity('http://127.0.0.1:1', 'demo-tasks')
const journal = new Journal()
const faults = new Faults()
const dispatcher = new Dispatcher(identity, journal)
const scheduler = new Scheduler(identity)
let service: GrpcService
let worker: Server
let workerUrl: string
let tasks: CloudTasksClient
let schedules: CloudSchedulerClient
let deliveries: Delivery[] = []
/** Answers of the worker, in order; 200 when there are none left. */
let answers: number[] = []
const NO_ANSWER = 0
let queues = 0

beforeAll(async () => {
  service = await new GrpcService('tasks', faults, [
    {
      definition: serviceOf('@google-cloud/tasks', 'google.cloud.tasks.v2.CloudTasks'),
      methods: tasksMethods(dispatcher),
    },
    {
      definition: serviceOf('@google-cloud/scheduler', 'google.cloud.scheduler.v1.CloudScheduler'),
      methods: scheduler.methods(),
    },
  ]).start()
  worker = createServer((request, response) => {
    let body = ''
    request.on('data', (chunk: Buffer) => (body += chunk.toString()))
    request.on('end', () => {
      deliveries.push({ headers: request.headers, path: request.url ?? '', body })
      const answer = answers.shift() ?? 200
      if (answer === NO_ANSWER) request.socket.destroy()
      else response.writeHead(answer).end()
    })
  })
  await new Promise<void>((resolve) => worker.listen(0, '127.0.0.1', resolve))
  workerUrl = `http://127.0.0.1:${(worker.address() as AddressInfo).port}/work`
  const [apiEndpoint = '', port] = service.address.split(':')
  const options = {
    projectId: 'demo-tasks',
    apiEndpoint,
    port: Number(port),
    sslCreds: grpc.credentials.createInsecure(),
  }
  tasks = new CloudTasksClient(options)
  schedules = new CloudSchedulerClient(options)
})
afterAll(async () => {
  await Promise.all([tasks.close(), schedules.close()])
  dispatcher.stop()
  scheduler.stop()
  service.stop()
  worker.closeAllConnections()
  await new Promise((resolve) => worker.close(resolve))
})
beforeEach(() => {
  deliveries = []
  answers = []
})

async function queue(settings: Record<string, unknown> = {}): Promise<string> {
  const parent = tasks.locationPath('demo-tasks', 'here')
  const name = tasks.queuePath('demo-tasks', 'here', `q${queues++}`)
  await tasks.createQueue({
    parent,
    queue: { name, retryConfig: { maxAttempts: 4, minBackoff: { nanos: 20e6 } }, ...settings },
  })
  return name
}

async function create(parent: string, id?: string, extra: Record<string, unknown> = {}, body = '{}') {
  const httpRequest = {
    url: workerUrl,
    httpMethod: 'POST' as const,
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(body).toString('base64'),
  }
  const [task] = await tasks.createTask({
    parent,
    task: { ...(id && { name: `${parent}/tasks/${id}` }), httpRequest, ...extra },
  })
  return task
}

const delivered = (count: number) =>
  vi.waitFor(() => expect(deliveries).toHaveLength(count), { timeout: 5000, interval: 10 })

describe('Cloud Tasks', () => {
  test('delivers with its headers and body', async () => {
    await create(await queue(), 'one', {}, '{"n":1}')
    await delivered(1)
    expect(deliveries[0]).toMatchObject({
      path: '/work',
      body: '{"n":1}',
      headers: {
        'content-type': 'application/json',
        'user-agent': 'Google-Cloud-Tasks',
        'x-cloudtasks-taskname': 'one',
        'x-cloudtasks-taskretrycount': '0',
        'x-cloudtasks-taskexecutioncount': '0',
      },
    })
    expect(deliveries[0]?.headers['x-cloudtasks-queuename']).toMatch(/^q\d+$/)
    expect(Number(deliveries[0]?.headers['x-cloudtasks-tasketa'])).toBeGreaterThan(1e9)
  })

  test('signs an OIDC token for its service account and audience', async () => {
    await create(await queue(), 'signed', {
      httpRequest: { url: workerUrl, oidcToken: { serviceAccountEmail: 'tasks@x.test', audience: 'https://fn' } },
    })
    await delivered(1)
    const token = deliveries[0]?.headers.authorization?.slice('Bearer '.length) ?? ''
    const keys = createLocalJWKSet((await identity.jwks()) as JSONWebKeySet)
    const { payload } = await jwtVerify(token, keys, { issuer: identity.serviceIssuer, audience: 'https://fn' })
    expect(payload).toMatchObject({ email: 'tasks@x.test', email_verified: true })
  })

  test('repeats what failed, with backoff, and counts as Google does', async () => {
    answers = [500, 404]
    await create(await queue(), 'again')
    await delivered(3)
    expect(deliveries[2]?.headers).toMatchObject({
      'x-cloudtasks-taskretrycount': '2',
      'x-cloudtasks-taskexecutioncount': '1',
      'x-cloudtasks-taskpreviousresponse': '404',
    })
  })

  test('counts as Google does whatever a task says of itself', async () => {
    const headers = { 'x-cloudtasks-taskretrycount': '7', 'X-CloudTasks-TaskName': 'another' }
    await create(await queue(), 'boasting', { httpRequest: { url: workerUrl, headers } })
    await delivered(1)
    expect(deliveries[0]?.headers).toMatchObject({
      'x-cloudtasks-taskretrycount': '0',
      'x-cloudtasks-taskname': 'boasting',
    })
  })

  test('counts a delivery that nobody answered, and no response for it', async () => {
    answers = [NO_ANSWER]
    await create(await queue(), 'unanswered')
    await delivered(2)
    expect(deliveries[1]?.headers).toMatchObject({
      'x-cloudtasks-taskretrycount': '1',
      'x-cloudtasks-taskexecutioncount': '0',
    })
    expect(deliveries[1]?.headers).not.toHaveProperty('x-cloudtasks-taskpreviousresponse')
  })

  test('gives up after the attempts it was given', async () => {
    answers = [500, 500, 500, 500, 500]
    const parent = await queue()
    const { name } = await create(parent, 'poison')
    await delivered(4)
    await vi.waitFor(() => expect(tasks.getTask({ name: name ?? '' })).rejects.toMatchObject({ code: 5 }))
    expect(deliveries).toHaveLength(4)
  })

  test('refuses a name that is taken, or was', async () => {
    const parent = await queue()
    await create(parent, 'named')
    await expect(create(parent, 'named')).rejects.toMatchObject({ code: 6 })
    await delivered(1)
    await expect(create(parent, 'named')).rejects.toMatchObject({ code: 6 })
  })

  test('waits for the schedule time', async () => {
    const atMs = Date.now() + 300
    await create(await queue(), 'later', {
      scheduleTime: { seconds: Math.floor(atMs / 1000), nanos: (atMs % 1000) * 1e6 },
    })
    await delivered(1)
    expect(Date.now()).toBeGreaterThanOrEqual(atMs - 5)
  })

  test('paused keeps tasks, resumed delivers them, purged forgets them', async () => {
    const parent = await queue()
    await tasks.pauseQueue({ name: parent })
    await create(parent, 'held')
    const [listed] = await tasks.listTasks({ parent })
    expect(listed.map(({ name }) => name)).toEqual([`${parent}/tasks/held`])
    expect(deliveries).toHaveLength(0)
    await tasks.resumeQueue({ name: parent })
    await delivered(1)
    await tasks.pauseQueue({ name: parent })
    await create(parent, 'purged')
    await tasks.purgeQueue({ name: parent })
    await tasks.resumeQueue({ name: parent })
    expect((await tasks.listTasks({ parent }))[0]).toEqual([])
  })

  test('delivers twice when told to', async () => {
    await create(await queue(), 'twice')
    await delivered(1)
    const found = await vi.waitFor(() => {
      const task = dispatcher.findTask('twice')
      if (task === undefined || task.task.running) throw new Error('not finished')
      return task
    })
    expect(await dispatcher.deliverNow(found.queue, found.task)).toBe(200)
    expect(deliveries.map(({ headers }) => headers['x-cloudtasks-taskname'])).toEqual(['twice', 'twice'])
    expect(deliveries.map(({ headers }) => headers['x-cloudtasks-taskretrycount'])).toEqual(['0', '1'])
  })

  test('refuses what Google refuses', async () => {
    const parent = await queue()
    await expect(create(parent, 'bad name')).rejects.toMatchObject({ code: 3 })
    await expect(create(parent, 'big', {}, 'x'.repeat(110_000))).rejects.toMatchObject({ code: 3 })
    await expect(create(parent, 'short', { dispatchDeadline: { seconds: 5 } })).rejects.toMatchObject({ code: 3 })
    await expect(create(`${parent}-none`)).rejects.toMatchObject({ code: 5 })
    await expect(tasks.getQueue({ name: `${parent}-none` })).rejects.toMatchObject({ code: 5 })
  })

  test('writes down every delivery', async () => {
    await create(await queue(), 'noted')
    await vi.waitFor(() =>
      expect(journal.of('tasks')).toContainEqual(
        expect.objectContaining({ task: 'noted', status: 200, attempt: 1, url: workerUrl }),
      ),
    )
  })
})

describe('the dispatch deadline', () => {
  test('ends the wait, and the attempt counts as failed', async () => {
    const silent = createServer(() => undefined)
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}/`
    expect(await callTarget(identity, { url }, {}, 50)).toEqual({ status: 0, retryAfterSeconds: undefined })
    silent.closeAllConnections()
    silent.close()
  })
})

describe('a queue', () => {
  const task = (n: number) => ({
    name: `q/tasks/${n}`,
    httpRequest: { url: 'http://x' },
    scheduleTimeMs: 0,
    createTimeMs: 0,
    dispatchDeadlineMs: 15_000,
    dispatchCount: 0,
    responseCount: 0,
    firstAttemptMs: undefined,
    lastStatus: undefined,
    running: false,
  })
  const filled = (rateLimits: Record<string, number>, count: number) => {
    const made = new Queue({ name: 'q', rateLimits }, 0)
    for (let n = 0; n < count; n++) made.add(task(n))
    return made
  }

  test('sends no more at once than it may', () => {
    const made = filled({ maxConcurrentDispatches: 3 }, 10)
    const first = made.take(0)
    expect(first).toHaveLength(3)
    expect(made.take(1)).toHaveLength(0)
    const [one] = first
    if (one) made.endAttempt(one, 200, undefined, 2)
    expect(made.take(2)).toHaveLength(1)
  })

  test('sends no faster than its rate, after one burst', () => {
    const made = filled({ maxDispatchesPerSecond: 2, maxBurstSize: 2 }, 10)
    expect(made.take(0)).toHaveLength(2)
    expect(made.take(100)).toHaveLength(0)
    expect(made.take(500)).toHaveLength(1)
    expect(made.nextWakeMs(500)).toBeCloseTo(500)
  })

  test('slows down as a whole at 429 and 503, and honours Retry-After', () => {
    const made = filled({ maxConcurrentDispatches: 1 }, 3)
    const [one] = made.take(0)
    if (one) made.endAttempt(one, 503, 7, 10)
    expect(made.take(6000)).toHaveLength(0)
    expect(made.take(7010)).toHaveLength(1)
  })

  test("backs off as Google's own example: 10, 20, 40, 80, then by 80, at most 300", () => {
    const made = new Queue(
      { name: 'q', retryConfig: { minBackoff: { seconds: 10 }, maxBackoff: { seconds: 300 }, maxDoublings: 3 } },
      0,
    )
    expect([0, 1, 2, 3, 4, 5, 6].map((failures) => made.backoffMs(failures) / 1000)).toEqual([
      10, 20, 40, 80, 160, 240, 300,
    ])
  })

  test('gives up only when attempts and duration are both spent', () => {
    const made = new Queue({ name: 'q', retryConfig: { maxAttempts: 1, maxRetryDuration: { seconds: 10 } } }, 0)
    made.add(task(1))
    const [one] = made.take(0)
    if (one) made.endAttempt(one, 500, undefined, 1000)
    expect(made.tasks.size).toBe(1)
    const [again] = made.take(60_000)
    if (again) made.endAttempt(again, 500, undefined, 60_000)
    expect(made.tasks.size).toBe(0)
  })
})

describe('Cloud Scheduler', () => {
  const job = (id: string, extra: Record<string, unknown> = {}) => ({
    name: schedules.jobPath('demo-tasks', 'here', id),
    schedule: '*/5 * * * *',
    timeZone: 'Europe/Berlin',
    httpTarget: {
      uri: `${workerUrl}?job=${id}`,
      httpMethod: 'POST' as const,
      body: Buffer.from('{}').toString('base64'),
      oidcToken: { serviceAccountEmail: 'cron@x.test', audience: 'https://fn' },
    },
    ...extra,
  })
  const parent = () => schedules.locationPath('demo-tasks', 'here')

  test('runs a job on demand, with its headers and token', async () => {
    const [made] = await schedules.createJob({ parent: parent(), job: job('now') })
    expect(made.state).toBe('ENABLED')
    await schedules.runJob({ name: made.name ?? '' })
    await delivered(1)
    expect(deliveries[0]).toMatchObject({
      path: '/work?job=now',
      headers: {
        'user-agent': 'Google-Cloud-Scheduler',
        'x-cloudscheduler': 'true',
        'x-cloudscheduler-jobname': 'now',
        'content-type': 'application/octet-stream',
      },
    })
    expect(deliveries[0]?.headers.authorization).toMatch(/^Bearer /)
    expect(deliveries[0]?.headers['x-cloudscheduler-scheduletime']).toMatch(/^\d{4}-/)
  })

  test('runs by itself when its time comes', async () => {
    await schedules.createJob({ parent: parent(), job: job('soon', { schedule: '* * * * * *' }) })
    await delivered(1)
    await schedules.deleteJob({ name: schedules.jobPath('demo-tasks', 'here', 'soon') })
  })

  test('computes the next run in the time zone of the job', async () => {
    const [made] = await schedules.createJob({
      parent: parent(),
      job: job('midnight', { schedule: '0 0 * * *', timeZone: 'Asia/Kolkata' }),
    })
    const next = new Date(Number(made.scheduleTime?.seconds) * 1000)
    expect(next.toISOString()).toMatch(/T18:30:00/)
  })

  test('keeps a paused job from running, and refuses what it cannot read', async () => {
    const [made] = await schedules.createJob({ parent: parent(), job: job('held') })
    const name = made.name ?? ''
    await schedules.pauseJob({ name })
    expect((await schedules.getJob({ name }))[0].state).toBe('PAUSED')
    await schedules.resumeJob({ name })
    expect((await schedules.getJob({ name }))[0].state).toBe('ENABLED')
    await expect(
      schedules.createJob({ parent: parent(), job: job('bad', { schedule: 'whenever' }) }),
    ).rejects.toMatchObject({ code: 3 })
    await expect(
      schedules.createJob({ parent: parent(), job: job('zone', { timeZone: 'Mars/Olympus' }) }),
    ).rejects.toMatchObject({ code: 3 })
    await expect(schedules.createJob({ parent: parent(), job: job('held') })).rejects.toMatchObject({ code: 6 })
  })
})

describe('faults of the queue service', () => {
  test('unavailable while down, and back at the same address', async () => {
    const parent = await queue()
    await faults.set('tasks', { mode: 'down' })
    await expect(
      tasks.createTask({ parent, task: { httpRequest: { url: workerUrl } } }, { timeout: 500, retry: null }),
    ).rejects.toThrow(/UNAVAILABLE|DEADLINE_EXCEEDED|CANCELLED/)
    await faults.clear('tasks')
    await vi.waitFor(() => create(parent, 'back'), { timeout: 10_000, interval: 200 })
    await delivered(1)
  })
})
