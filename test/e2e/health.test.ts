import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'

import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { HealthReport } from '../../shared/operations/health/report.ts'
import { callSweep, startTestCloud } from './cloud.ts'

let cloud: LocalCloud
let admin: string

beforeAll(async () => {
  cloud = await startTestCloud()
  admin = await cloud.identity.userToken('root', 'admin')
  await callSweep(cloud)
})
afterAll(() => cloud.stop())
afterEach(() => cloud.faults.clear())

async function health(token?: string): Promise<{ status: number; type: string | null; json: HealthReport }> {
  const answer = await fetch(`${cloud.functionsBaseUrl}/ops-health`, {
    headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
  })
  const json = (await answer.json()) as HealthReport
  return { status: answer.status, type: answer.headers.get('content-type'), json }
}

/** Ends the instance: what it found about providers would stand for a minute. */
function forget(): void {
  for (const { name, process } of cloud.instances?.live() ?? []) if (name === 'ops-health') process.kill('SIGKILL')
}

/** What was found before stands for a few seconds. */
function eventually(holds: (report: HealthReport, status: number) => void): Promise<void> {
  return vi.waitFor(
    async () => {
      const { status, json } = await health(admin)
      holds(json, status)
    },
    { timeout: 30_000, interval: 250 },
  )
}

describe('the health of the system', () => {
  test('is pass when all is well; only admins are told more, and a bad token is refused', async () => {
    await eventually((report) => expect(report.status).toBe('pass'))
    const anonymous = await health()
    expect(anonymous).toMatchObject({ status: 200, type: 'application/health+json; charset=utf-8' })
    expect(anonymous.json).toEqual({ status: 'pass' })
    expect((await health(await cloud.identity.userToken('alice'))).json).toEqual({ status: 'pass' })
    expect((await health('not.a.token')).status).toBe(401)
    const { checks, notes } = (await health(admin)).json
    expect(notes).toEqual([])
    expect(Object.keys(checks)).toEqual([
      'firestore:read',
      'storage:read',
      'tasks:queue',
      'sweep:success',
      'breakers:state',
      'clock:offset',
      'connections:outbound',
      'configuration:valid',
      'assemblyai:account',
      'gemini:account',
      'elevenlabs:account',
      'auphonic:account',
    ])
    expect(checks['auphonic:account']).toMatchObject([
      { componentId: 'credits', observedValue: 9.5, observedUnit: 'h' },
    ])
    expect(checks['tasks:queue']?.find(({ componentId }) => componentId === 'work-write')).toMatchObject({
      status: 'pass',
      observedValue: 0,
    })
    // Connections to the stand-ins were made for the checks, and can be seen.
    expect(checks['connections:outbound']?.length).toBeGreaterThan(0)
  })

  test('knows a queue that is paused', async () => {
    const queue = [...cloud.dispatcher.queues.values()].find(({ resource }) => resource.name.endsWith('/work-voice'))
    if (queue === undefined) throw new Error('no such queue')
    queue.resource = { ...queue.resource, state: 'PAUSED' }
    await eventually(({ checks, notes }) => {
      expect(checks['tasks:queue']).toContainEqual(
        expect.objectContaining({ componentId: 'work-voice', status: 'warn', output: 'the queue is paused' }),
      )
      expect(notes).toContain('the step voice of episodes stands still')
    })
    queue.resource = { ...queue.resource, state: 'RUNNING' }
  })

  test('is fail without the store, in the shape of every other error too', async () => {
    await cloud.faults.set('firestore', { mode: 'down' })
    await eventually((report, status) => expect([status, report.status]).toEqual([503, 'fail']))
    const { json } = await health()
    expect(json).toMatchObject({ status: 'fail', error: { code: 'service_unavailable', retryable: true } })
    await cloud.faults.clear()
    await eventually((report) => expect(report.status).not.toBe('fail'))
  })

  test('is warn without a provider, says what people notice, and the service stays up', async () => {
    await cloud.faults.set('gemini', { mode: 'down' })
    forget()
    await eventually(({ status: said, notes, checks }, status) => {
      expect([status, said]).toEqual([200, 'warn'])
      expect(notes.join()).toContain('wait for show notes')
      expect(checks['gemini:account']).toMatchObject([{ status: 'warn' }])
    })
  })
})
