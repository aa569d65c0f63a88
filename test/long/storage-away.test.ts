import { setTimeout as sleep } from 'node:timers/promises'

import { afterAll, describe, expect, test } from 'vitest'

import { ApiError } from '../../infra/demo/api-client.ts'
import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { Fault } from '../../infra/local/faults.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { STEP_NAMES } from '../../shared/podcast/pipeline.ts'
import { Turns } from '../../shared/resilience/turns.ts'
import type { EpisodeView, StepView } from '../../shared/podcast/view.ts'
import { clientOf, paidRequests, requestsTo, startTestCloud, uploaded } from '../e2e/cloud.ts'
import { healingOf, linesOf } from '../e2e/healing.ts'
import { seededRandom } from '../shared/seeded-random.ts'

/** Cloud Storage is away for a while, in every way, while episodes are at every one of their steps. */

const SEED = Number(process.env['SEED'] ?? Date.now() % 100_000)
/** 300 for five minutes: that takes as long as it says. */
const AWAY_MS = Number(process.env['STORAGE_AWAY_SECONDS'] ?? 20) * 1000
/** Each batch begins when the first has come one step further: when that finishes, the others are everywhere before. */
const BATCH = Number(process.env['STORAGE_AWAY_BATCH'] ?? 2)
const BATCHES = STEP_NAMES.map((name) => ({ name, episodes: BATCH }))
const EPISODES = BATCHES.reduce((sum, { episodes }) => sum + episodes, 0)
const SEEDED_MS_MAX = 1_000
/** Providers take a part of the time that the real ones do. */
const LATENCY_FACTOR = 0.5
/** As patient as a busy machine needs. */
const READY_MS_MAX = AWAY_MS + 240_000
/** Each is a whole local cloud. */
const AT_ONCE = 2

const WAYS: readonly (readonly [string, Fault])[] = [
  ['refused', { mode: 'down' }],
  ['silent', { mode: 'blackhole' }],
  ['slow', { mode: 'slow', latencyMs: 14_000 }],
  ['out of order now and then', { mode: 'status', status: 503, rate: 0.7 }],
]

type Lived = {
  readonly cloud: LocalCloud
  readonly episodes: readonly EpisodeView[]
  /** Whom episodes were seen to wait for. */
  readonly waitedFor: ReadonlySet<string>
}

async function live(fault: Fault): Promise<Lived> {
  const random = seededRandom(SEED)
  const cloud = await startTestCloud({ latencyFactor: LATENCY_FACTOR })
  const client = await clientOf(cloud, 'alice')
  const ids: string[] = []
  for (let index = 0; index < EPISODES; index++)
    ids.push((await uploaded(client, `episode ${index}`, { intro: { text: `Welcome to number ${index}.` } })).id)
  const begun: Promise<void>[] = []
  for (const [number, { name, episodes }] of BATCHES.entries()) {
    await once(client, ids, (all) => number === 0 || all.some(({ steps }) => !isPending(steps[name])))
    await sleep(random() * SEEDED_MS_MAX)
    const batch = ids.slice(begun.length, begun.length + episodes)
    const isLast = number === BATCHES.length - 1
    begun.push(...batch.slice(0, isLast ? -1 : undefined).map((id) => beginProcessing(client, id)))
    if (!isLast) continue
    await Promise.all(begun)
    await sleep(random() * SEEDED_MS_MAX)
    await cloud.faults.set('gcs', fault)
    // And one is asked for while storage is away already.
    begun.push(...batch.slice(-1).map((id) => beginProcessing(client, id)))
  }
  const back = sleep(AWAY_MS).then(() => cloud.faults.clear())
  await Promise.all(begun)
  const waitedFor = new Set<string>()
  const episodes = await once(client, ids, (all) => {
    for (const { waitingFor } of all) if (waitingFor !== undefined) waitedFor.add(waitingFor.provider)
    return all.every(({ status }) => status === 'ready' || status === 'error')
  })
  await back
  return { cloud, episodes, waitedFor }
}

/** Steps that had to wait for storage, as their functions told it. */
function stepsThatWaited({ cloud, episodes }: Lived): ReadonlySet<string> {
  const lines = episodes.flatMap(({ id }) => linesOf(cloud).of(id))
  return new Set(
    lines.flatMap(({ event, outcome, step }) =>
      event === 'step.settled' && outcome === 'waiting' ? [step ?? ''] : [],
    ),
  )
}

function isPending({ state }: StepView): boolean {
  return state === 'pending' || state === 'skipped'
}

/** As a client does that is told to come back. */
async function beginProcessing(client: ApiClient, id: string): Promise<void> {
  for (;;) {
    try {
      await client.act('process', id)
      return
    } catch (error) {
      if (!(error instanceof ApiError) || !error.envelope.retryable) throw error
      await sleep(1_000)
    }
  }
}

async function look(client: ApiClient, ids: readonly string[]): Promise<EpisodeView[]> {
  return (await client.list('?pageSize=50')).episodes.filter(({ id }) => ids.includes(id))
}

async function once(client: ApiClient, ids: readonly string[], holds: (episodes: EpisodeView[]) => boolean) {
  const endsAtMs = Date.now() + READY_MS_MAX
  for (;;) {
    const episodes = await look(client, ids)
    if (holds(episodes)) return episodes
    if (Date.now() > endsAtMs) throw new Error(`not yet: ${JSON.stringify(episodes.map(({ steps }) => steps))}`)
    await sleep(250)
  }
}

const places = new Turns()
const lives = WAYS.map(([way, fault], index) => [way, places.take(String(index % AT_ONCE), () => live(fault))] as const)
for (const [, living] of lives) living.catch(() => undefined)
afterAll(async () => {
  for (const [, living] of lives) await (await living).cloud.stop()
})

describe.each(lives)('storage that is %s for a while', (_way, living) => {
  test(
    `ends no episode, spends no attempt, and repeats no more than one charge, which is told (SEED=${SEED})`,
    async () => {
      const lived = await living
      const { cloud, episodes, waitedFor } = lived
      expect(episodes).toHaveLength(EPISODES)
      expect([...waitedFor]).toEqual(['gcs'])
      expect(stepsThatWaited(lived).size).toBeGreaterThanOrEqual(2)
      let repeated = 0
      for (const episode of episodes) {
        expect(episode).toMatchObject({ status: 'ready', degraded: [] })
        for (const name of STEP_NAMES) expect(episode.steps[name]).toMatchObject({ attempt: 1 })
        expect(await healingOf(cloud, episode.id)).toMatchObject({ failures: 0, passedOn: 0, cures: 0 })
        const repeats = (name: 'write' | 'voice') => episode.steps[name].repeatedCalls ?? 0
        const paid = paidRequests(cloud, episode.id)
        expect(paid.gemini).toBeLessThanOrEqual(1 + repeats('write'))
        expect(paid.elevenlabs).toBeLessThanOrEqual(1 + repeats('voice'))
        expect(requestsTo(cloud, 'elevenlabs', /speech-to-text/, episode.id)).toBe(0)
        repeated += repeats('write') + repeats('voice')
      }
      expect(repeated).toBeLessThanOrEqual(1)
    },
    2 * READY_MS_MAX + 60_000,
  )
})

test(
  'it was met at nearly every step',
  async () => {
    const met = await Promise.all(lives.map(async ([, living]) => stepsThatWaited(await living)))
    expect(met.reduce((all, steps) => all.union(steps)).size).toBeGreaterThanOrEqual(4)
  },
  2 * READY_MS_MAX,
)
