import { setTimeout as sleep } from 'node:timers/promises'

import type { Firestore } from '@google-cloud/firestore'

import type { ApiClient } from '../../infra/demo/api-client.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView, HistoryView } from '../../shared/podcast/view.ts'
import { callSweep, clientOf, uploaded } from '../e2e/cloud.ts'
import { linesOf } from '../e2e/healing.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { insist, startBenchCloud } from './bench-cloud.ts'
import { Killer } from './damage-losses.ts'
import { chargesOf, passTime, usageFaultsOf, withStore } from './damage-truth.ts'
import { figure, quantile, title } from './report.ts'

const EPISODES = Number(process.env['DAMAGE_EPISODES'] ?? 200)
const PEOPLE = Number(process.env['DAMAGE_PEOPLE'] ?? 5)
const KILLING_MS = Number(process.env['DAMAGE_SECONDS'] ?? 300) * 1000
const KILL_EVERY_MS = Number(process.env['DAMAGE_KILL_EVERY_MS'] ?? 1000)
/** How slow the stand-ins are; 1: as the providers. */
const LATENCY_FACTOR = Number(process.env['DAMAGE_LATENCY_FACTOR'] ?? 1)
/** Mastering with an intro that is heard for the first time is a work of seconds, here as well. */
const EPISODES_PER_INTRO = 4
const INSTANCES_PER_FUNCTION = 2
const SEED = Number(process.env['SEED'] ?? Date.now() % 100_000)
/** Share of the episodes that show how long an undisturbed one takes among others. */
const UNDISTURBED_SHARE = 0.05
/** As they are by default. */
const LEASE_MS = 20_000
const SWEEP_EVERY_MS = 60_000
const LOOK_EVERY_MS = 1_000
const READY_MS_MAX = 1_800_000
const DAY_MS = 24 * 3_600_000
/** A day after a lost call its provider is asked again; should that fail, again within the next. */
const DAYS_MAX = 3
/** How long the upgrades of one day may take. */
const UPGRADE_MS_MAX = 300_000

type Person = { readonly client: ApiClient; readonly ids: string[] }
type Ended = { readonly episode: EpisodeView; readonly history: HistoryView[] }

/**
 * Heavy damage: many episodes of some people while a worker is killed every second, which then are left alone. Leases,
 * thresholds and the sweep are as they are by default.
 */
export async function benchDamage(): Promise<void> {
  const seconds = KILLING_MS / 1000
  title(`damage: ${EPISODES} episodes of ${PEOPLE} people, a worker killed every ${KILL_EVERY_MS} ms for ${seconds} s`)
  figure('seed', String(SEED))
  const killer = new Killer()
  const cloud = await startBenchCloud({
    latencyFactor: LATENCY_FACTOR,
    schedules: 'on',
    instancesPerFunction: INSTANCES_PER_FUNCTION,
    environment: { DEFAULT_PLAN: 'unlimited' },
    onLine: (line, pid) => killer.hear(line, pid),
  })
  try {
    await run(cloud, killer)
  } finally {
    await cloud.stop()
  }
}

async function run(cloud: LocalCloud, killer: Killer): Promise<void> {
  const undisturbed = await bring(cloud, 'undisturbed', Math.ceil(EPISODES * UNDISTURBED_SHARE))
  const undisturbedMs = await timed(async () => {
    await processAll(undisturbed)
    await untilOver(undisturbed)
  })
  const others = await endsOf(undisturbed)
  const eachMs = undisturbedMs / others.length
  const longestMs = Math.max(...others.map(timeTaken))
  figure('undisturbed', `${others.length} in ${inSeconds(undisturbedMs)}, the longest took ${inSeconds(longestMs)}`)

  const people = await bring(cloud, 'damaged', EPISODES)
  const random = seededRandom(SEED)
  const killing = setInterval(() => killer.killOne(cloud, random), KILL_EVERY_MS)
  await Promise.all([processAll(people), sleep(KILLING_MS)])
  clearInterval(killing)
  const lastKillMs = Date.now()
  const left = (await look(people)).reduce((sum, { progress }) => sum + 1 - progress, 0)
  const inFlight = (await look(people)).filter(({ status }) => status === 'processing').length
  const backMs = await timed(() => untilOver(people))

  const all = await endsOf(people)
  figure('workers killed', String(killer.kills))
  figure('unfinished at the last kill', `${inFlight}: as much as ${left.toFixed(1)} whole ones`)
  const boundMs = 2 * Math.max(left * eachMs, longestMs) + LEASE_MS + SWEEP_EVERY_MS
  figure('all ended after the last kill', inSeconds(backMs), {
    text: `at most ${inSeconds(boundMs)}: twice the undisturbed time, a lease and a sweep`,
    met: backMs <= boundMs,
  })
  reportEnds(all)
  reportLosses(cloud, killer, all, lastKillMs)
  reportCharges(cloud, all)
  await withStore(cloud, async (db) => {
    await reportUsage(db, [...all, ...others])
    await upgradeAll(cloud, people, (ids) => passTime(db, ids, DAY_MS))
    const upgraded = await endsOf(people)
    reportCharges(cloud, upgraded)
    await reportUsage(db, [...upgraded, ...others])
  })
}

async function reportUsage(db: Firestore, all: readonly Ended[]): Promise<void> {
  const faults = await usageFaultsOf(
    db,
    all.map(({ episode }) => episode),
  )
  figure('usage against truth', faults.length === 0 ? 'exact' : faults.join('; '), exactly(faults.length === 0))
}

/** Drafts with their recordings; no two have an intro or a title in common, so that none finds another's. */
async function bring(cloud: LocalCloud, kind: string, episodes: number): Promise<Person[]> {
  const people: Person[] = []
  for (let number = 0; number < PEOPLE; number++)
    people.push({ client: await clientOf(cloud, `person-${number}`), ids: [] })
  await Promise.all(
    people.map(async ({ client, ids }, number) => {
      for (let index = number; index < episodes; index += PEOPLE) {
        const intro = { text: `Welcome to number ${index} of the ${kind}.` }
        const options = index % EPISODES_PER_INTRO === 0 ? { intro } : {}
        ids.push((await insist(() => uploaded(client, `${kind} ${index}`, options))).id)
      }
    }),
  )
  return people
}

async function processAll(people: readonly Person[]): Promise<void> {
  const begin = async ({ client, ids }: Person) => {
    for (const id of ids) await insist(() => client.act('process', id))
  }
  await Promise.all(people.map(begin))
}

async function untilOver(people: readonly Person[]): Promise<void> {
  const endsAtMs = Date.now() + READY_MS_MAX
  while ((await look(people)).some(({ status }) => status === 'processing')) {
    if (Date.now() > endsAtMs) return
    await sleep(LOOK_EVERY_MS)
  }
}

async function look(people: readonly Person[]): Promise<EpisodeView[]> {
  const ofPerson = async ({ client, ids }: Person) => {
    const wanted = new Set(ids)
    const found: EpisodeView[] = []
    let token: string | undefined
    do {
      const query = `?pageSize=100${token === undefined ? '' : `&pageToken=${encodeURIComponent(token)}`}`
      const page = await insist(() => client.list(query))
      found.push(...page.episodes.filter(({ id }) => wanted.has(id)))
      token = page.nextPageToken
    } while (token !== undefined)
    return found
  }
  return (await Promise.all(people.map(ofPerson))).flat()
}

function endsOf(people: readonly Person[]): Promise<Ended[]> {
  return Promise.all(people.flatMap((person) => person.ids.map((id) => endOf(person, id))))
}

function endOf({ client }: Person, id: string): Promise<Ended> {
  return insist(() => client.call<Ended>('GET', `episodes-get?episodeId=${id}&history=1`))
}

function reportEnds(all: readonly Ended[]): void {
  const ready = all.filter(({ episode }) => episode.status === 'ready').length
  figure('ready', `${ready} of ${all.length}`, { text: 'all', met: ready === all.length })
  for (const { episode } of all)
    if (episode.status !== 'ready')
      figure(`  ${episode.id}`, `${episode.status}: ${JSON.stringify(episode.error ?? episode.steps)}`)
  const twice = all.filter(
    ({ history }) => history.filter(({ what, to }) => what === 'episode' && to === 'ready').length > 1,
  )
  figure('ready twice', String(twice.length), exactly(twice.length === 0, 'none'))
}

function reportLosses(cloud: LocalCloud, killer: Killer, all: readonly Ended[], lastKillMs: number): void {
  const losses = all.flatMap(({ episode: { id } }) => killer.cured(cloud, id))
  const spread = (values: readonly number[]) =>
    `p50 ${inSeconds(quantile(values, 0.5))}, p99 ${inSeconds(quantile(values, 0.99))}`
  figure('attempts lost', String(losses.length))
  figure('time to detection: from the kill to the next attempt', spread(losses.map(({ detectedMs }) => detectedMs)))
  const late = losses.filter(({ killedAtMs }) => lastKillMs - killedAtMs < LEASE_MS)
  figure('  of what was lost at the end', spread(late.map(({ detectedMs }) => detectedMs)))
  figure('time to cure: from the kill to the result', spread(losses.map(({ curedMs }) => curedMs)))
  figure('  of what was lost at the end', spread(late.map(({ curedMs }) => curedMs)))
  const decided = all.flatMap(({ episode: { id } }) =>
    linesOf(cloud)
      .of(id)
      .filter(({ event }) => event === 'sweep.decided'),
  )
  figure('steps that the sweep has given to another attempt', String(decided.length))
}

function reportCharges(cloud: LocalCloud, all: readonly Ended[]): void {
  const charges = all.map(({ episode }) => chargesOf(cloud, episode))
  const sum = (key: 'jobsTwice' | 'calls' | 'repeats' | 'untold' | 'neverMade') =>
    charges.reduce((total, one) => total + one[key], 0)
  figure('transcribed or mastered twice', String(sum('jobsTwice')), exactly(sum('jobsTwice') === 0, 'none'))
  figure('paid calls that reached their provider, told repeats', `${sum('calls')}, ${sum('repeats')}`)
  figure('paid calls that are not told', String(sum('untold')), exactly(sum('untold') === 0, 'none'))
  figure('repeats told of calls that were killed before they arrived', String(sum('neverMade')))
}

/** Lets days go by until nothing is degraded, and says how much is at the end of each. */
async function upgradeAll(
  cloud: LocalCloud,
  people: readonly Person[],
  passADay: (ids: readonly string[]) => Promise<void>,
): Promise<void> {
  const degraded = async () => (await look(people)).filter((episode) => episode.degraded.length > 0)
  const inWords = (episodes: readonly EpisodeView[]) => {
    const bySteps = Map.groupBy(episodes, (episode) => episode.degraded.join('+'))
    const parts = [...bySteps].map(([steps, some]) => `${some.length} ${steps}`)
    return `${episodes.length}${parts.length === 0 ? '' : `: ${parts.join(', ')}`}`
  }
  let left = await degraded()
  figure('degraded when all had ended', inWords(left))
  for (let days = 1; days <= DAYS_MAX && left.length > 0; days++) {
    await passADay(left.map(({ id }) => id))
    const endsAtMs = Date.now() + UPGRADE_MS_MAX
    while (left.length > 0 && Date.now() < endsAtMs) {
      await callSweep(cloud)
      await sleep(LOOK_EVERY_MS)
      left = await degraded()
    }
    figure(`degraded after ${days} days`, inWords(left), days === 1 ? exactly(left.length === 0, 'none') : undefined)
  }
}

function exactly(met: boolean, text = 'exact'): { text: string; met: boolean } {
  return { text, met }
}

/** From the beginning of its work to its end, in ms. */
function timeTaken({ history }: Ended): number {
  const atMs = (status: string) =>
    Date.parse(history.find(({ what, to }) => what === 'episode' && to === status)?.at ?? '')
  return atMs('ready') - atMs('processing')
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const sinceMs = performance.now()
  await work()
  return performance.now() - sinceMs
}

function inSeconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`
}
