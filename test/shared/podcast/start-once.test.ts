import { beforeEach, describe, expect, test } from 'vitest'

import { JobEnded } from '../../../shared/engine/failure.ts'
import { accountAt, makePort } from '../providers/provider-fixtures.ts'
import { masterStep } from './master-step.ts'
import { silentMp3 } from './sound/mp3-frames.ts'
import { serviceOfTest } from '../providers/service-of-test.ts'

/** A mastering service whose productions never get to work: the paid start is sent once, unless it asks for another. */
let production: Record<string, unknown>
let startAnswers: number[]
let starts = 0
let created = 0
/** What the production turns out to be when a start has come. */
let afterStart: Record<string, unknown> | undefined

const service = serviceOfTest((request, response) => {
  request.resume().on('end', () => {
    const isStart = request.url?.endsWith('/start.json') === true
    if (isStart) starts++
    if (request.method === 'POST' && request.url?.endsWith('/productions.json') === true) created++
    if (isStart && afterStart !== undefined) production = afterStart
    const status = isStart ? (startAnswers.shift() ?? 200) : 200
    const body = { status_code: status, data: { uuid: 'u1', ...production } }
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  })
})
beforeEach(() => {
  starts = 0
  created = 0
  startAnswers = []
  afterStart = undefined
})

async function begin() {
  const mastering = await makePort('masterings', accountAt('auphonic', service.url))
  return masterStep({ mastering, recording: silentMp3(10), intro: undefined, recordingSeconds: 0.3 })
}

/** Looks every second for two minutes of the step's own time. */
async function watch(step: Awaited<ReturnType<typeof begin>>): Promise<unknown> {
  for (let second = 0; second < 120; second++) {
    const ended = await step.run().catch((error: unknown) => error)
    if (ended instanceof Error) return ended
    step.pass(1000)
  }
  return undefined
}

describe('a production that stays where it is after its start', () => {
  test.each([
    ['incomplete', { status: 9, status_string: 'Incomplete', start_allowed: false }, 1],
    ['incomplete, and silent about whether it may be started', { status: 9, status_string: 'Incomplete' }, 1],
    ['not started', { status: 10, status_string: 'Not Started Yet', start_allowed: false }, 1],
    ['not started, and may be started again', { status: 10, status_string: 'Not Started Yet', start_allowed: true }, 2],
  ])('%s: is given up after a bounded time', async (_name, state, most) => {
    production = state
    const ended = await watch(await begin())
    expect(ended).toBeInstanceOf(JobEnded)
    expect((ended as Error).message).toContain(state.status_string)
    expect(starts).toBe(most)
  })

  test('although nobody heard what became of the start', async () => {
    production = { status: 9, start_allowed: false }
    startAnswers = [504]
    const step = await begin()
    await expect(step.run()).rejects.toMatchObject({ ambiguous: true })
    expect(await watch(step)).toBeInstanceOf(JobEnded)
    expect(starts).toBe(1)
  })
})

test('productions that stay where they are have two starts in all, and there is no third production', async () => {
  production = { status: 9, status_string: 'Incomplete', start_allowed: true }
  const step = await begin()
  for (let productions = 0; productions < 3; productions++) {
    expect(await watch(step)).toBeInstanceOf(JobEnded)
    step.dropJob()
  }
  expect([starts, created]).toEqual([2, 1])
})

test('productions that their provider has ended are not charged, and do not count', async () => {
  const step = await begin()
  for (let productions = 0; productions < 3; productions++) {
    production = { status: 10, start_allowed: true }
    await step.run()
    production = { status: 2, error_message: 'Internal error' }
    await expect(step.run()).rejects.toBeInstanceOf(JobEnded)
    step.dropJob()
  }
  expect([starts, created]).toEqual([3, 3])
})

test('a start that was not carried out is sent again', async () => {
  production = { status: 10, start_allowed: true }
  startAnswers = [503, 503, 503]
  const step = await begin()
  for (let times = 0; times < 3; times++) await expect(step.run()).rejects.toMatchObject({ kind: 'overloaded' })
  expect(await step.run()).toMatchObject({ kind: 'polling' })
  expect([starts, step.job.starts?.count]).toEqual([4, 1])
})

test('a start that is refused because the production is at work already is no failure', async () => {
  production = { status: 10, start_allowed: true }
  afterStart = { status: 4, status_string: 'Audio Processing' }
  startAnswers = [400]
  const step = await begin()
  expect(await step.run()).toMatchObject({ kind: 'polling' })
  expect(await step.run()).toMatchObject({ kind: 'polling', activity: 'Audio Processing' })
  expect([starts, step.job.starts?.count]).toEqual([1, 1])
})

test('any other start that is refused is refused', async () => {
  production = { status: 10, start_allowed: true }
  startAnswers = [400]
  await expect((await begin()).run()).rejects.toMatchObject({ kind: 'invalid_input' })
  expect(starts).toBe(1)
})

test('a production that is at work for hours is stopped and given up', async () => {
  production = { status: 10, start_allowed: true }
  const step = await begin()
  await step.run()
  production = { status: 1, status_string: 'Waiting' }
  step.pass(4 * 60_000)
  expect(await step.run()).toMatchObject({ kind: 'polling' })
  // Its provider counts as away by then, which is waited for.
  step.pass(30 * 60_000)
  await expect(step.run()).rejects.toMatchObject({ name: 'ServiceAway', service: 'auphonic' })
  step.pass(30 * 60_000)
  await expect(step.run()).rejects.toBeInstanceOf(JobEnded)
})

test('a production that is at work although nobody has started it is not waited for without end', async () => {
  production = { status: 4, status_string: 'Audio Processing' }
  const step = await begin()
  expect(await step.run()).toMatchObject({ kind: 'polling' })
  step.pass(30 * 60_000)
  await expect(step.run()).rejects.toMatchObject({ name: 'ServiceAway', service: 'auphonic' })
  step.pass(30 * 60_000)
  await expect(step.run()).rejects.toBeInstanceOf(JobEnded)
  expect(step.job.starts?.count).toBe(0)
})

test.each([11, 15])('status %i, which somebody has made it in the web page: another is made', async (status) => {
  production = { status }
  await expect((await begin()).run()).rejects.toBeInstanceOf(JobEnded)
  expect(starts).toBe(0)
})
