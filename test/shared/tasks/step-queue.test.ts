import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createLocalJWKSet, jwtVerify } from 'jose'
import type { JSONWebKeySet } from 'jose'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'

import { Faults } from '../../../infra/local/faults.ts'
import { Identity, LOCAL_TASKS_ACCOUNT } from '../../../infra/local/identity.ts'
import { Journal } from '../../../infra/local/journal.ts'
import { startTasks } from '../../../infra/local/tasks/start-tasks.ts'
import type { StepTask } from '../../../shared/engine/task.ts'
import { stepQueue } from '../../../shared/tasks/step-queue.ts'
import type { StepQueue } from '../../../shared/tasks/step-queue.ts'
import { taskQueueContract } from '../../contracts/task-queue.ts'
import type { Delivered } from '../../contracts/task-queue.ts'
import { testConfig } from '../test-config.ts'

/** The engine's queue as the product has it: Google's client, against the local cloud's Cloud Tasks and queues. */
const PLACE = { project: 'demo-test', region: 'us-central1' }

type Call = Delivered & { episodeId: string; path: string; authorization: string }

const identity = new Identity('http://127.0.0.1:1', PLACE.project)
const faults = new Faults()
const calls: Call[] = []
const closers: (() => Promise<void> | void)[] = []
const unanswered: (() => void)[] = []
let holdsAnswers = false
let workerUrl: string
let queue: StepQueue

beforeAll(async () => {
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  const worker = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { episodeId, ...task } = JSON.parse(Buffer.concat(chunks).toString()) as StepTask & { episodeId: string }
      const { url: path = '', headers } = request
      calls.push({ task, atMs: Date.now(), episodeId, path, authorization: headers.authorization ?? '' })
      const answer = () => void response.writeHead(200).end()
      if (holdsAnswers) unanswered.push(answer)
      else answer()
    })
  })
  await new Promise<void>((resolve) => worker.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    worker.closeAllConnections()
    worker.close()
  })
  workerUrl = `http://127.0.0.1:${(worker.address() as AddressInfo).port}`
  const { address } = await startTasks(PLACE, { identity, faults, journal: new Journal() }, closers)
  queue = stepQueue(
    testConfig({
      TASKS_API_ENDPOINT: address,
      FUNCTIONS_BASE_URL: workerUrl,
      FUNCTION_REGION: PLACE.region,
      TASKS_SERVICE_ACCOUNT: LOCAL_TASKS_ACCOUNT,
    }),
  )
})
afterAll(async () => {
  for (const close of closers.toReversed()) await close()
})

const callsFor = (episodeId: string) => calls.filter((call) => call.episodeId === episodeId)

taskQueueContract('Cloud Tasks', async () => ({
  queue,
  delivered: callsFor,
  pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
  nowMs: Date.now,
  holdAnswers() {
    holdsAnswers = true
    return () => {
      holdsAnswers = false
      for (const answer of unanswered.splice(0)) answer()
    }
  },
}))

describe('a task', () => {
  const task = (more: Partial<StepTask> = {}) => ({ step: 'master', generation: 1, dispatch: 1, ...more })

  test('calls the function of its step, with a token for that function', async () => {
    const id = '0'.repeat(24)
    await queue.enqueue(id, task())
    const call = await vi.waitFor(() => callsFor(id)[0] ?? Promise.reject(new Error('not yet')), { timeout: 10_000 })
    expect(call.path).toBe('/work-master')
    const keys = createLocalJWKSet((await identity.jwks()) as JSONWebKeySet)
    const audience = `${workerUrl}/work-master`
    const { payload } = await jwtVerify(call.authorization.slice('Bearer '.length), keys, { audience })
    expect(payload).toMatchObject({ email: LOCAL_TASKS_ACCOUNT })
  })

  test('that the queue does not take is refused as a service that is away', async () => {
    await faults.set('tasks', { mode: 'status' })
    const refused = queue.enqueue('1'.repeat(24), task())
    await expect(refused).rejects.toMatchObject({ kind: 'unavailable', service: 'tasks' })
    await faults.clear('tasks')
  })

  test('that the queue cannot be asked about is not gone', async () => {
    const id = '2'.repeat(24)
    await faults.set('tasks', { mode: 'status' })
    await expect(queue.find(id, task())).rejects.toMatchObject({ kind: 'unavailable', service: 'tasks' })
    await faults.clear('tasks')
    expect(await queue.find(id, task())).toEqual({ kind: 'gone' })
  })
})
