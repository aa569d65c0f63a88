import { describe, expect, test } from 'vitest'

import { openClients } from '../../../infra/cloud/clients.ts'
import { judge } from '../../../infra/cloud/rollout/judge.ts'
import { notProven } from '../../../infra/cloud/rollout/staging.ts'
import { PROJECT, rehearse } from './rehearsal.ts'
import { rolled } from './rolled.ts'
import { SimulatedFleet } from './simulated-fleet.ts'
import type { Behaviour } from './simulated-fleet.ts'

describe('a rollout', () => {
  test('of a good revision goes from nothing through every stage to all of the traffic, and leaves what a deployment leaves', async () => {
    const { ended, sharesSeen, shareInTheEnd, minutes, leftToDo } = await rolled({})
    expect(leftToDo).toEqual([])
    expect(ended).toEqual({ kind: 'done' })
    expect(sharesSeen).toEqual([0, 10, 50, 100])
    expect(shareInTheEnd).toBe(100)
    // Three stages of a quarter of an hour, each seen three minutes late.
    expect(minutes).toBeGreaterThanOrEqual(54)
  })

  test.each<[string, Behaviour, RegExp]>([
    ['that fails one request in twenty', { errorShare: () => 0.05 }, /of requests fail/],
    [
      'that fails in one function only',
      { errorShare: (name) => (name === 'episodes-cancel' ? 0.4 : 0) },
      /episodes-cancel: .*of requests fail/,
    ],
    ['that is many times as slow', { latencyTimes: () => 8 }, /95th percentile/],
    ['that opens breakers', { breakersPerMinute: 0.5 }, /opened circuit breakers/],
  ])('of a revision %s goes back, with the reason', async (_what, behaviour, reason) => {
    const { ended, shareInTheEnd, deployed, shareAfterDeployment } = await rolled(behaviour)
    expect(ended).toEqual({ kind: 'back', reason: expect.stringMatching(reason) as string })
    // And a deployment does not put it back by accident.
    expect([shareInTheEnd, deployed, shareAfterDeployment]).toEqual([0, false, 0])
  })

  test.each<[string, Behaviour]>([
    ['more errors every minute', { errorShare: (_name, minutes) => minutes * 0.001 }],
    ['slower every minute', { latencyTimes: (name, minutes) => (name === 'episodes-get' ? 1 + minutes / 40 : 1) }],
  ])(
    'of a revision that burns slowly, with %s, goes back before it has been all there is for long',
    async (_what, behaviour) => {
      const { ended, shareInTheEnd, sharesSeen } = await rolled(behaviour)
      expect(ended.kind).toBe('back')
      expect(shareInTheEnd).toBe(0)
      // It looked good for a while.
      expect(sharesSeen.length).toBeGreaterThan(2)
    },
  )

  test('that too few people take part in stays where it is', async () => {
    const { ended, shareInTheEnd } = await rolled({}, { load: 0.05 })
    expect(ended).toMatchObject({
      kind: 'held',
      stage: 10,
      reason: expect.stringContaining('of 500 requests') as string,
    })
    expect(shareInTheEnd).toBe(10)
  })
})

describe('a verdict', () => {
  const sample = (requests: number, errors: number, breakersOpened = 0) => ({
    requests,
    errors,
    p95Ms: 100,
    breakersOpened,
  })

  test('does not blame the new revision for what both suffer', () => {
    expect(judge({ f: { old: sample(9_000, 900), new: sample(1_000, 100) } }).kind).toBe('good')
    expect(judge({ f: { old: sample(9_000, 0, 4), new: sample(1_000, 0, 1) } }).kind).toBe('unclear')
  })

  test('needs more than a few errors, and enough requests', () => {
    expect(judge({ f: { old: sample(900, 0), new: sample(600, 2) } }).kind).toBe('good')
    expect(judge({ f: { old: sample(900, 0), new: sample(20, 20) } }).kind).toBe('unclear')
    expect(judge({ f: { old: sample(900, 0), new: sample(600, 60) } }).kind).toBe('bad')
  })
})

describe('staging', () => {
  test('has to have run the very source for 24 hours, well', async () => {
    const fleet = new SimulatedFleet(1, {})
    const project = await rehearse(fleet.telemetry)
    const clients = await openClients(PROJECT, project.server)
    await project.run('apply')
    fleet.serve(project.state)
    const place = { project: PROJECT, region: 'us-central1' }
    const problems = (hash: string) => notProven(clients, place, hash, fleet.nowMs)
    fleet.nowMs = Date.now()
    expect((await problems('two'))[0]).toBe('episodes-create in demo-podcast is of another source')
    expect((await problems('one'))[0]).toBe('episodes-create has run in demo-podcast for 0 of 24 hours')
    await fleet.sleep(24.1 * 3_600_000)
    expect(await problems('one')).toEqual([])
    await clients.close()
    await project.stop()
  })
})
