import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { Fault } from '../../infra/local/faults.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import { clientOf, paidRequests, settled, SPEECH, startTestCloud } from '../e2e/cloud.ts'
import { between, expectUnaided } from '../e2e/healing.ts'
import { Robot } from '../e2e/robot.ts'
import type { Outcome } from '../e2e/robot.ts'
import { seededRandom } from '../shared/seeded-random.ts'

const SEED = Number(process.env['ROBOT_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const WISHES = 16
const EPISODES = 3
const STORM_MS = 5000
/** Of one kind, to one episode: its tasks come again as their backoff allows while the storm lasts. */
const STORM_TROUBLES_MAX = 20

let cloud: LocalCloud
beforeAll(async () => {
  cloud = await startTestCloud({ instancesPerFunction: 2 })
})
afterAll(() => cloud.stop())

const WEATHER: Fault[] = [
  { mode: 'status', status: 503 },
  { mode: 'reset', rate: 0.7 },
  { mode: 'slow', latencyMs: 300, rate: 0.5 },
  { mode: 'blackhole', rate: 0.3 },
]

/** Bad weather until it is over: stores that fail, functions that are killed in the middle of things. */
async function storm(next: () => number, sky: { clear: boolean }): Promise<void> {
  while (!sky.clear) {
    const fault = WEATHER[Math.floor(next() * WEATHER.length)]
    if (fault !== undefined && next() < 0.7) await cloud.faults.set(next() < 0.6 ? 'firestore' : 'tasks', fault)
    await sleep(400 * next())
    for (const { name, process: victim } of cloud.instances?.live() ?? [])
      if (name.startsWith('episodes-') && next() < 0.5 && victim.kill('SIGKILL')) kills++
    await cloud.faults.clear()
    await sleep(1500 * next())
  }
}

let kills = 0

/** Robots at work in a storm that is over after a while. */
async function inStorm(next: () => number, wishes: (() => Promise<Outcome>)[]): Promise<Outcome[]> {
  const sky = { clear: false }
  const weather = storm(next, sky)
  const clearing = setTimeout(() => (sky.clear = true), STORM_MS)
  const outcomes = await Promise.all(
    wishes.map(async (wish) => {
      await sleep(STORM_MS * 0.8 * next())
      return wish()
    }),
  )
  clearTimeout(clearing)
  sky.clear = true
  await weather
  const tries = outcomes.reduce((total, outcome) => total + outcome.tries, 0)
  const codes = Map.groupBy(
    outcomes.flatMap((outcome) => outcome.codes),
    (code) => code,
  )
  const seen = [...codes].map(([code, all]) => `${code} ${all.length}`).join(', ')
  process.stdout.write(`robots: ${outcomes.length} wishes in ${tries} tries, ${kills} kills so far (${seen})\n`)
  return outcomes
}

describe('a client that follows only retryable and Retry-After, with one key for each wish', () => {
  test(`converges in any weather, and has every effect once (seed ${SEED})`, async () => {
    const next = seededRandom(SEED)
    const robot = new Robot(cloud.functionsBaseUrl, await cloud.identity.userToken('robot'))
    const client = await clientOf(cloud, 'robot')
    const titles = Array.from({ length: WISHES }, (_, index) => `wish ${index}`)
    const created = await inStorm(
      next,
      titles.map((title) => () => robot.post('episodes-create', { title })),
    )
    const ids = created.map(({ json }) => (json as { episode: EpisodeView }).episode.id)
    expect(created.map(({ status }) => status)).toEqual(titles.map(() => 201))
    expect((await client.list('?pageSize=100')).episodes.map(({ id }) => id).toSorted()).toEqual(ids.toSorted())

    const used = ids.slice(0, EPISODES)
    for (const id of used) await client.upload(id, SPEECH, 'audio/flac')
    const started = await inStorm(
      next,
      used.map((episodeId) => () => robot.post('episodes-process', { episodeId })),
    )
    expect(started.map(({ status }) => status)).toEqual(used.map(() => 202))
    for (const id of used) {
      expect((await settled(client, id)).status).toBe('ready')
      expect(paidRequests(cloud, id)).toMatchObject({ assemblyai: 1, auphonic: 1, started: 1 })
      const some = between(0, STORM_TROUBLES_MAX)
      await expectUnaided(cloud, id, { redeliveries: some, attemptsLost: some, stepsFenced: some, waits: some })
    }

    const gone = await inStorm(
      next,
      ids.map((episodeId) => () => robot.post('episodes-delete', { episodeId })),
    )
    expect(gone.map(({ status }) => status)).toEqual(ids.map(() => 204))
    expect((await client.list('?pageSize=100')).episodes).toEqual([])
  })

  test('stops at once where a repeat could not help', async () => {
    const robot = new Robot(cloud.functionsBaseUrl, await cloud.identity.userToken('robot'))
    expect(await robot.post('episodes-create', { title: 7 })).toMatchObject({ status: 400, tries: 1 })
    expect(await robot.post('episodes-process', { episodeId: '0'.repeat(24) })).toMatchObject({ status: 404, tries: 1 })
  })
})
