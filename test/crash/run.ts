import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { readWords, runCommandLine } from '../../infra/command-line.ts'
import { ApiError } from '../../infra/demo/api-client.ts'
import type { ApiClient } from '../../infra/demo/api-client.ts'
import { LOCAL_SCHEDULER_ACCOUNT } from '../../infra/local/identity.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView, HistoryView } from '../../shared/podcast/view.ts'
import { clientOf, paidRequests, startTestCloud, uploaded } from '../e2e/cloud.ts'
import { countHealing, linesOf, tasksUnderWay } from '../e2e/healing.ts'
import type { Healing } from '../e2e/healing.ts'
import type { Plan } from './crash-point.ts'
import { faultsOf, healingFaultsOf, orphansOf, usageFaultsOf } from './invariants.ts'

/**
 * `npm run test:crash`: every request of the pipeline that changes something elsewhere is found by watching one episode
 * go through, and for each the process is killed just before and just after it, or frozen past its lease while its task
 * is delivered again. Whatever is killed, each episode must end ready, once, paid for once.
 */
const LANES = 3
const LEASE_SECONDS = 2
const FROZEN_MS = LEASE_SECONDS * 1000 + 600
const ORPHAN_AGE_SECONDS = 6
/** Share of the runs that must reach their point: hints and heartbeats do not fall alike in every run. */
const REACHED_LEAST = 0.9
const SETTLE_TIMEOUT_MS = 40_000
const ENVIRONMENT = {
  STEP_LEASE_SECONDS: String(LEASE_SECONDS),
  SAFETY_POLL_SECONDS: '1',
  STALLED_STEP_THRESHOLD_SECONDS: '1',
  ORPHAN_AGE_HOURS: String(ORPHAN_AGE_SECONDS / 3600),
}

type Crash = NonNullable<Plan['crash']>
type Ended = { crash: Crash | undefined; struck: boolean; healing: Healing; faults: string[]; episodeId: string }

class Lane {
  readonly cloud: LocalCloud
  readonly client: ApiClient
  readonly #planFile: string
  readonly #sweepUrl: string
  #runs = 0

  constructor(cloud: LocalCloud, client: ApiClient, planFile: string) {
    this.cloud = cloud
    this.client = client
    this.#planFile = planFile
    this.#sweepUrl = `${cloud.functionsBaseUrl}/ops-sweep`
  }

  static async open(folder: string, name: string): Promise<Lane> {
    const planFile = join(folder, name)
    const preload = new URL(`./crash-point.ts?plan=${encodeURIComponent(planFile)}`, import.meta.url).href
    const cloud = await startTestCloud({ environment: ENVIRONMENT, preload, instancesPerFunction: 2 })
    return new Lane(cloud, await clientOf(cloud, 'alice'), planFile)
  }

  /** The points that one undisturbed episode reaches, once everything is warm. */
  async record(): Promise<string[]> {
    for (let i = 0; i < 2; i++) await this.run(undefined)
    const reached = readFileSync(`${this.#planFile}.reached.${this.#runs}`, 'utf8').trim().split('\n')
    // Sweeps and looks at the episode come by the clock, not by what the episode does.
    return reached.filter((point) => !/^(ops\.sweep|episodes\.get) /.test(point))
  }

  async run(crash: Crash | undefined): Promise<Ended> {
    const plan: Plan = { run: ++this.#runs, crash }
    // Nothing that an earlier run has paid for may be of use to this one.
    const { id } = await uploaded(this.client, `Crash ${plan.run}`, { intro: { text: `Hello ${plan.run}.` } })
    writeFileSync(this.#planFile, JSON.stringify(plan))
    const struckFile = `${this.#planFile}.struck.${plan.run}`
    const thawed = crash?.signal === 'SIGSTOP' ? this.#thaw(id, struckFile) : Promise.resolve()
    await this.#insist(() => this.client.act('process', id))
    const episode = await this.#terminal(id)
    rmSync(this.#planFile)
    await thawed
    const struck = existsSync(struckFile)
    const healing = await this.#healing(id)
    // Every task once more, when all is over.
    await this.#redeliver(id)
    const after = await this.#insist(() => this.client.get(id))
    const history = await this.#insist(() =>
      this.client.call<{ history: HistoryView[] }>('GET', `episodes-get?episodeId=${id}&history=1`),
    )
    const faults = [
      ...faultsOf(after, history.history, paidRequests(this.cloud, id)),
      ...(struck ? healingFaultsOf(crash, healing) : []),
      ...(after.status === episode.status ? [] : [`a late delivery made it ${after.status}`]),
      ...(await this.#unservable(after)),
    ]
    return { crash, struck, healing, faults, episodeId: id }
  }

  /** What is wrong with what all those episodes are counted as. */
  usageFaults(): Promise<string[]> {
    return usageFaultsOf(this.cloud, this.#runs)
  }

  async sweep(): Promise<void> {
    const token = await this.cloud.identity.serviceToken(LOCAL_SCHEDULER_ACCOUNT, this.#sweepUrl)
    const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' }
    await fetch(this.#sweepUrl, { method: 'POST', headers, body: '{}' }).catch(() => undefined)
  }

  /** Lets a frozen process go on when its lease is over, and delivers its task again meanwhile. */
  async #thaw(id: string, struckFile: string): Promise<void> {
    const giveUpAtMs = Date.now() + SETTLE_TIMEOUT_MS
    while (!existsSync(struckFile) && existsSync(this.#planFile)) {
      if (Date.now() > giveUpAtMs) return
      await sleep(20)
    }
    if (!existsSync(struckFile)) return
    const pid = Number(readFileSync(struckFile, 'utf8'))
    const again = this.#redeliver(id)
    await sleep(FROZEN_MS)
    try {
      process.kill(pid, 'SIGCONT')
    } catch {
      // It has ended by itself.
    }
    await again
  }

  /** What the product tells of its healing, once no task of the episode is under way. */
  async #healing(id: string): Promise<Healing> {
    const giveUpAtMs = Date.now() + SETTLE_TIMEOUT_MS
    while (tasksUnderWay(this.cloud, id).length > 0 && Date.now() < giveUpAtMs) await sleep(20)
    return countHealing(linesOf(this.cloud).of(id))
  }

  async #redeliver(id: string): Promise<void> {
    const { dispatcher } = this.cloud
    const tasks = [...dispatcher.queues.values()].flatMap((queue) =>
      [...queue.tasks.values(), ...queue.finished.values()]
        .filter(({ name }) => name.includes(id))
        .map((task) => ({ queue, task })),
    )
    await Promise.all(tasks.map(({ queue, task }) => dispatcher.deliverNow(queue, task)))
  }

  async #terminal(id: string): Promise<EpisodeView> {
    const giveUpAtMs = Date.now() + SETTLE_TIMEOUT_MS
    let sweptAtMs = Date.now()
    for (;;) {
      const episode = await this.#insist(() => this.client.get(id))
      if (episode.status !== 'processing' || Date.now() > giveUpAtMs) return episode
      if (Date.now() - sweptAtMs > 1000) {
        sweptAtMs = Date.now()
        await this.sweep()
      }
      await sleep(60)
    }
  }

  /** What a person's client does when an instance dies under its request. */
  async #insist<T>(call: () => Promise<T>): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await call()
      } catch (error) {
        const final = error instanceof ApiError && !error.envelope.retryable
        if (final || attempt > 20) throw error
        await sleep(200)
      }
    }
  }

  async #unservable({ status, outputs }: EpisodeView): Promise<string[]> {
    if (status !== 'ready') return []
    const urls = [outputs?.audioUrl, outputs?.transcriptUrl, outputs?.vttUrl, outputs?.srtUrl]
    const statuses = await Promise.all(urls.map(async (url) => (await fetch(String(url))).status))
    return statuses.every((one) => one === 200) ? [] : [`outputs answer ${statuses.join(' ')}`]
  }
}

const USAGE = `Usage: npm run test:crash [-- TEXT] [--verbose]
Kills and freezes processes at every request that changes something.
  TEXT        only at requests whose names hold it
  --verbose   says of each run when it ended`

await runCommandLine(USAGE, async () => {
  const options = { verbose: { type: 'boolean' } } as const
  const { positionals, values } = readWords(process.argv.slice(2), options, { allowPositionals: true })
  const [only] = positionals
  const verbose = values.verbose ?? false
  const folder = mkdtempSync(join(tmpdir(), 'steadycast-crash-'))
  const startedAtMs = Date.now()
  const lanes = await Promise.all(Array.from({ length: LANES }, (_, i) => Lane.open(folder, `lane-${i}`)))
  try {
    const recorded = await Promise.all(lanes.map((lane) => lane.record()))
    // A heartbeat or a sweep that happened to fall into one of the recordings is no point that a run could wait for.
    const points = recorded[0]?.filter((point) => recorded.every((one) => one.includes(point))) ?? []
    if (points.length < 20) throw new Error(`only ${points.length} points were found: is anything watched at all?`)
    const crashes = points
      .filter((point) => only === undefined || point.includes(only))
      .flatMap((point): Crash[] => [
        { point, side: 'before', signal: 'SIGKILL' },
        { point, side: 'after', signal: 'SIGKILL' },
        { point, side: 'after', signal: 'SIGSTOP' },
      ])
    process.stdout.write(`${points.length} points, ${crashes.length} runs\n`)
    const queue = crashes.values()
    const ended: Ended[] = []
    const usageFaults: string[] = []
    const work = async (lane: Lane) => {
      const mine: Ended[] = []
      for (const crash of queue) {
        const result = await lane.run(crash)
        mine.push(result)
        if (verbose)
          process.stderr.write(
            `${((Date.now() - startedAtMs) / 1000).toFixed(1)} s ${result.struck} ${crash.signal} ${crash.side} ${crash.point}\n`,
          )
        if (result.faults.length > 0) report(result)
      }
      ended.push(...mine)
      // Whatever attempts that lost left in storage is old enough now.
      await sleep(ORPHAN_AGE_SECONDS * 1000 + 500)
      for (let i = 0; i < 3; i++) await lane.sweep()
      const miscounted = await lane.usageFaults()
      if (miscounted.length > 0) process.stdout.write(`usage: ${miscounted.join('; ')}\n`)
      usageFaults.push(...miscounted)
      for (const result of mine) {
        const orphans = await orphansOf(lane.cloud, result.episodeId)
        if (orphans.length > 0) result.faults.push(`storage holds ${orphans.join(', ')}`)
        if (orphans.length > 0) report(result)
      }
    }
    await Promise.all(lanes.map(work))
    const struck = ended.filter((one) => one.struck).length
    const faulty = ended.filter(({ faults }) => faults.length > 0).length
    const seconds = Math.round((Date.now() - startedAtMs) / 1000)
    process.stdout.write(`${struck} of ${ended.length} runs reached their point; ${seconds} s\n`)
    const idle = struck < ended.length * REACHED_LEAST
    if (idle) process.stdout.write('too few runs reached their point to say anything\n')
    for (const signal of ['SIGKILL', 'SIGSTOP'] as const) process.stdout.write(`${healingInShort(ended, signal)}\n`)
    process.stdout.write(`${ended.length - faulty} passed, ${faulty} failed\n`)
    return faulty > 0 || idle || usageFaults.length > 0 ? 1 : 0
  } finally {
    await Promise.all(lanes.map(({ cloud }) => cloud.stop()))
    rmSync(folder, { recursive: true, force: true })
  }
})

/** How often the product says it was healed, in all runs that were struck by one signal. */
function healingInShort(runs: readonly Ended[], signal: Crash['signal']): string {
  const healings = runs.filter(({ struck, crash }) => struck && crash?.signal === signal).map(({ healing }) => healing)
  const counters = ['redeliveries', 'cures', 'stepsFenced', 'attemptsLost'] as const
  const sums = counters.map((name) => {
    const counts = healings.map((healing) => healing[name])
    return `${name} ${counts.reduce((sum, count) => sum + count, 0)} (at most ${Math.max(0, ...counts)})`
  })
  return `healed in ${healings.length} runs with ${signal}: ${sums.join(', ')}`
}

function report({ crash, faults, episodeId }: Ended): void {
  process.stdout.write(`${crash?.signal} ${crash?.side} ${crash?.point} (${episodeId}): ${faults.join('; ')}\n`)
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
