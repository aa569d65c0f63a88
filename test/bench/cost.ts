import { setTimeout as sleep } from 'node:timers/promises'

import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { callSweep, clientOf, uploaded } from '../e2e/cloud.ts'
import { startBenchCloud } from './bench-cloud.ts'
import { consumptionOf } from './consumption.ts'
import type { Consumption, RequestLine } from './consumption.ts'
import { costOf, PRICES } from './prices.ts'
import { figure, title } from './report.ts'

const EPISODES = Number(process.env['COST_EPISODES'] ?? 3)
const MONTHLY_EPISODES = 10_000
const SWEEPS_A_MONTH = 30 * 24 * 60
/** Of an episode with an intro. */
const WRITES_MAX = 39
const READS_MAX = 41
const WAIT_MAX_MS = 240_000
/** How long a line may take through a pipe once its process has answered. */
const PIPE_MS = 200

/** What is heard of the functions. */
type Heard = { requests: RequestLine[]; ready: Set<string> }

/**
 * What a finished episode takes of Google's services, and what that costs. Each is a person's first, by instances that
 * have never seen this person: created, uploaded, processed, and looked at once when it is ready.
 */
export async function benchCost(): Promise<void> {
  title(`cost: a finished episode, mean of ${EPISODES}; stand-ins as slow as the providers`)
  const heard: Heard = { requests: [], ready: new Set() }
  const cloud = await startBenchCloud({
    latencyFactor: 1,
    environment: { ORPHAN_AGE_HOURS: '0' },
    onLine: (line) => hear(heard, line),
  })
  try {
    // What starts with the instances is not the first episode's.
    await finish(cloud, heard, 'warm', true)
    await expectSwept(cloud)
    const sweep = await measure(cloud, heard, () => expectSwept(cloud))
    for (const intro of [true, false]) {
      const [episodes, tidied]: [Consumption[], Consumption[]] = [[], []]
      for (let count = 0; count < EPISODES; count++) {
        const person = `${intro ? 'intro' : 'plain'}-${count}`
        episodes.push(await measure(cloud, heard, () => finish(cloud, heard, person, intro)))
        tidied.push(await measure(cloud, heard, () => expectSwept(cloud)))
      }
      report(intro ? 'with an intro' : 'without an intro', { episodes, tidied, sweep }, intro)
    }
    const sources = new Set(Object.values(PRICES).map(({ source }) => source))
    process.stdout.write(`  prices: us-central1, nothing free taken off; ${[...sources].join(', ')}\n`)
  } finally {
    await cloud.stop()
  }
}

async function finish(cloud: LocalCloud, heard: Heard, person: string, intro: boolean): Promise<void> {
  const client = await clientOf(cloud, person)
  const options = intro ? { intro: { text: `Welcome to the show of ${person}.` } } : {}
  const { id } = await uploaded(client, `The show of ${person}`, options)
  await client.act('process', id)
  // Not by looking: how often a client looks is its own affair.
  await until(() => heard.ready.has(id))
  const { outputs } = await client.get(id)
  if (outputs?.audioUrl === undefined) throw new Error('a ready episode without links')
  // Tasks that look after a job come later, and find that it is done.
  await until(() => [...cloud.dispatcher.queues.values()].every(({ tasks }) => tasks.size === 0))
}

async function expectSwept(cloud: LocalCloud): Promise<void> {
  const { status } = await callSweep(cloud)
  if (status !== 200) throw new Error(`the sweep answered ${status}`)
}

async function measure(cloud: LocalCloud, heard: Heard, work: () => Promise<void>): Promise<Consumption> {
  cloud.journal.clear()
  heard.requests = []
  await work()
  await sleep(PIPE_MS)
  return consumptionOf(cloud, heard.requests)
}

type Measured = { readonly episodes: Consumption[]; readonly tidied: Consumption[]; readonly sweep: Consumption }

function report(kind: string, { episodes, tidied, sweep }: Measured, isTarget: boolean): void {
  const mean = (all: Consumption[], of: (one: Consumption) => number) =>
    all.reduce((sum, one) => sum + of(one), 0) / all.length
  const each = (of: (one: Consumption) => number) => mean(episodes, of)
  const collections = [...new Set(episodes.flatMap((one) => Object.keys(one.collections)))].toSorted()
  const kinds = (what: 'reads' | 'writes') =>
    collections
      .map((name) => [name, each((one) => one.collections[name]?.[what] ?? 0)] as const)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${short(count)} ${name}`)
      .join(', ')
  const writes = each(({ amounts }) => amounts.firestoreWrites)
  const reads = each(({ amounts }) => amounts.firestoreReads)
  const most = (of: (one: Consumption) => number) => Math.max(...episodes.map(of))
  const target = (count: number, max: number) =>
    isTarget ? { text: `<= ${max} in each`, met: count <= max } : undefined
  process.stdout.write(`  ${kind}\n`)
  const writesMost = most(({ amounts }) => amounts.firestoreWrites)
  const readsMost = most(({ amounts }) => amounts.firestoreReads)
  figure('  Firestore writes', `${short(writes)}: ${kinds('writes')}`, target(writesMost, WRITES_MAX))
  figure('  Firestore reads', `${short(reads)}: ${kinds('reads')}`, target(readsMost, READS_MAX))
  figure('  Firestore deletes', short(each(({ amounts }) => amounts.firestoreDeletes)))
  figure(
    '  Storage operations of class A, class B',
    `${short(each(({ amounts }) => amounts.storageClassA))}, ${short(each(({ amounts }) => amounts.storageClassB))}`,
  )
  figure('  tasks', short(each(({ tasks }) => tasks)))
  figure('  function seconds', each(({ functionSeconds }) => functionSeconds).toFixed(1))
  figure('  bytes out', `${(each(({ amounts }) => amounts.bytesOut) / 1e6).toFixed(2)} MB`)
  figure('  tidied up later: writes, reads, class A', tidyingOf(tidied, sweep))
  const usd = each(({ amounts }) => costOf(amounts))
  const tidyUsd = Math.max(0, mean(tidied, ({ amounts }) => costOf(amounts)) - costOf(sweep.amounts))
  figure('  cost of one', `$${(usd + tidyUsd).toFixed(6)}`)
  const sweepsUsd = SWEEPS_A_MONTH * costOf(sweep.amounts)
  const monthUsd = MONTHLY_EPISODES * (usd + tidyUsd) + sweepsUsd
  figure(
    `  a month of ${MONTHLY_EPISODES} episodes`,
    `$${monthUsd.toFixed(2)}, of it $${sweepsUsd.toFixed(2)} for a sweep a minute`,
  )
}

/** What the sweep took beyond one that finds nothing. */
function tidyingOf(tidied: readonly Consumption[], sweep: Consumption): string {
  return (['firestoreWrites', 'firestoreReads', 'storageClassA'] as const)
    .map((name) => tidied.reduce((sum, { amounts }) => sum + amounts[name], 0) / tidied.length - sweep.amounts[name])
    .map(short)
    .join(', ')
}

function short(count: number): string {
  return count.toFixed(1).replace(/\.0$/, '')
}

function hear(heard: Heard, line: string): void {
  const start = line.indexOf('{')
  if (start < 0 || !line.includes('"event"')) return
  const { event, episodeId, httpRequest, ...told } = JSON.parse(line.slice(start)) as Told
  if (event === 'episode.ready' && episodeId !== undefined) heard.ready.add(episodeId)
  if (httpRequest === undefined || told.function === undefined) return
  const { latency, responseSize } = httpRequest
  heard.requests.push({
    function: told.function,
    seconds: Number.parseFloat(latency),
    answerBytes: Number(responseSize),
  })
}

type Told = {
  event?: string
  episodeId?: string
  function?: string
  httpRequest?: { latency: string; responseSize: string }
}

/** @throws Error when it does not come to be */
async function until(holds: () => boolean): Promise<void> {
  for (const sinceMs = performance.now(); !holds(); await sleep(100))
    if (performance.now() - sinceMs > WAIT_MAX_MS) throw new Error('the episode was not ready in time')
}
