import { appendFileSync, mkdirSync } from 'node:fs'

import { LOCAL_SCHEDULER_ACCOUNT } from '../../infra/local/identity.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodesReport } from '../../shared/dependencies/sweep.ts'
import type { EpisodeView, HistoryView } from '../../shared/podcast/view.ts'
import { clientOf, paidRequests, uploaded } from '../e2e/cloud.ts'
import { insist, startBenchCloud } from './bench-cloud.ts'
import { figure, quantile, title } from './report.ts'

const EPISODES = Number(process.env['CHAOS_EPISODES'] ?? 200)
const AT_ONCE = 12
const KILL_EVERY_MS = 1500
const SWEEP_EVERY_MS = 2000
const RESET_EVERY_MS = 12_000
/** What waits in the queues is lost now and then: only the sweep can find what it belonged to. */
const PURGE_EVERY_MS = 10_000
const DUPLICATE_SHARE = 0.05
const TIME_MAX_MS = 540_000

/**
 * Many episodes while workers are killed at random, Firestore is reset and the queues are purged now and then, and
 * deliveries come twice.
 */
export async function benchChaos(): Promise<void> {
  title(`chaos: ${EPISODES} episodes, workers killed every ${KILL_EVERY_MS / 1000} s`)
  mkdirSync('.steadycast', { recursive: true })
  const cures: number[] = []
  const cloud = await startBenchCloud({
    instancesPerFunction: 2,
    environment: {
      DEFAULT_PLAN: 'unlimited',
      STEP_LEASE_SECONDS: '4',
      SAFETY_POLL_SECONDS: '2',
      STALLED_STEP_THRESHOLD_SECONDS: '6',
    },
    onLine(line) {
      appendFileSync('.steadycast/chaos.log', `${line}\n`)
      const cured = /"event":"step\.cured".*"tookMs":(\d+)/.exec(line)?.[1]
      if (cured !== undefined) cures.push(Number(cured) / 1000)
    },
  })
  try {
    await run(cloud, cures)
  } finally {
    await cloud.stop()
  }
}

type Counts = { kills: number; resets: number; duplicates: number; purged: number }

async function run(cloud: LocalCloud, cures: number[]): Promise<void> {
  const client = await clientOf(cloud, 'alice')
  const counts: Counts = { kills: 0, resets: 0, duplicates: 0, purged: 0 }
  const detections: number[] = []
  const timers = [
    setInterval(() => void (killOne(cloud) && counts.kills++), KILL_EVERY_MS),
    setInterval(
      () => void cloud.faults.set('firestore', { mode: 'reset', times: 2 }).then(() => counts.resets++),
      RESET_EVERY_MS,
    ),
    setInterval(() => void sweep(cloud, detections), SWEEP_EVERY_MS),
    setInterval(() => (counts.duplicates += duplicate(cloud)), 1000),
    setInterval(() => (counts.purged += purge(cloud)), PURGE_EVERY_MS),
  ]
  const startedAtMs = Date.now()
  const ended: { episode: EpisodeView; history: HistoryView[] }[] = []
  const queue = Array.from({ length: EPISODES }, (_, i) => i).values()
  const lane = async () => {
    for (const i of queue) {
      const { id } = await insist(() => uploaded(client, `chaos ${i % 7}`))
      await insist(() => client.act('process', id))
      for (;;) {
        const answer = await insist(() =>
          client.call<{ episode: EpisodeView; history: HistoryView[] }>(
            'GET',
            `episodes-get?episodeId=${id}&history=1`,
          ),
        )
        if (answer.episode.status !== 'processing') {
          ended.push(answer)
          break
        }
        if (Date.now() - startedAtMs > TIME_MAX_MS) break
        await sleep(300)
      }
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, lane))
  for (const timer of timers) clearInterval(timer)
  await cloud.faults.clear()
  report(cloud, ended, counts, detections, cures, (Date.now() - startedAtMs) / 1000)
}

function report(
  cloud: LocalCloud,
  ended: { episode: EpisodeView; history: HistoryView[] }[],
  counts: Counts,
  detections: number[],
  cures: number[],
  seconds: number,
): void {
  const readyTwice = ended.filter(
    ({ history }) => history.filter(({ what, to }) => what === 'episode' && to === 'ready').length > 1,
  ).length
  const ready = ended.filter(({ episode }) => episode.status === 'ready').length
  const twice = ended.filter(({ episode }) => {
    const { assemblyai, started } = paidRequests(cloud, episode.id)
    return assemblyai > 1 || started > 1
  }).length
  figure('workers killed, resets of Firestore, duplicates', `${counts.kills}, ${counts.resets}, ${counts.duplicates}`)
  figure('tasks lost in purges', `${counts.purged}`)
  figure('time', `${seconds.toFixed(0)} s`)
  figure('terminal', `${ended.length} of ${EPISODES}`, { text: 'all', met: ended.length === EPISODES })
  figure('ready', `${ready}`)
  figure('ready twice', `${readyTwice}`, { text: 'none', met: readyTwice === 0 })
  figure('transcribed or mastered twice', `${twice}`, { text: 'none', met: twice === 0 })
  const spread = (values: number[]) =>
    `${values.length}: p50 ${quantile(values, 0.5).toFixed(1)} s, p99 ${quantile(values, 0.99).toFixed(1)} s`
  figure('found by the sweep, after they were due', spread(detections), { text: 'some', met: detections.length > 0 })
  figure('cured, since the lease ended or the task was due', spread(cures), { text: 'some', met: cures.length > 0 })
}

function killOne(cloud: LocalCloud): boolean {
  const workers = cloud.instances?.live().filter(({ name }) => name.startsWith('work-')) ?? []
  return workers[Math.floor(Math.random() * workers.length)]?.process.kill('SIGKILL') ?? false
}

/** Delivers some of the tasks a second time, whether they run or are done. */
function duplicate({ dispatcher }: LocalCloud): number {
  const tasks = [...dispatcher.queues.values()].flatMap((queue) =>
    [...queue.tasks.values(), ...[...queue.finished.values()].slice(-20)].map((task) => ({ queue, task })),
  )
  const chosen = tasks.filter(() => Math.random() < DUPLICATE_SHARE)
  for (const { queue, task } of chosen) void dispatcher.deliverNow(queue, task)
  return chosen.length
}

/** @returns how many tasks were lost */
function purge({ dispatcher }: LocalCloud): number {
  let lost = 0
  for (const queue of dispatcher.queues.values()) {
    lost += queue.tasks.size
    queue.purge(Date.now())
  }
  return lost
}

async function sweep(cloud: LocalCloud, detections: number[]): Promise<void> {
  const url = `${cloud.functionsBaseUrl}/ops-sweep`
  const token = await cloud.identity.serviceToken(LOCAL_SCHEDULER_ACCOUNT, url)
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
  const answer = await fetch(url, { method: 'POST', headers, body: '{}' }).catch(() => undefined)
  if (answer?.status !== 200) return
  const { episodes } = (await answer.json()) as EpisodesReport
  for (const { detectedAfterSeconds } of episodes)
    if (detectedAfterSeconds !== undefined) detections.push(detectedAfterSeconds)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
