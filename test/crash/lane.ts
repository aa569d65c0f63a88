import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { ApiError } from '../../infra/demo/api-client.ts'
import type { ApiClient } from '../../infra/demo/api-client.ts'
import { LOCAL_SCHEDULER_ACCOUNT } from '../../infra/local/identity.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import type { EpisodeView, HistoryView } from '../../shared/podcast/view.ts'
import { clientOf, paidRequests, startTestCloud, uploaded } from '../e2e/cloud.ts'
import { countHealing, linesOf, tasksUnderWay } from '../e2e/healing.ts'
import type { Healing } from '../e2e/healing.ts'
import { chargeFaultsOf, unsentCallsOf } from './charges.ts'
import type { Crash, Plan } from './crash-point.ts'
import type { Secrets } from './deletes.ts'
import { faultsOf, healingFaultsOf, usageFaultsOf } from './invariants.ts'
import { toldUsageFaultsOf } from './usage.ts'

const LEASE_SECONDS = 2
const FROZEN_MS = LEASE_SECONDS * 1000 + 600
export const ORPHAN_AGE_SECONDS = 6
const SETTLE_TIMEOUT_MS = 60_000
const ENVIRONMENT = {
  STEP_LEASE_SECONDS: String(LEASE_SECONDS),
  SAFETY_POLL_SECONDS: '1',
  STALLED_STEP_THRESHOLD_SECONDS: '1',
  ORPHAN_AGE_HOURS: String(ORPHAN_AGE_SECONDS / 3600),
}

/** How the run of one episode has ended. */
export type Ended = { crash: Crash | undefined; struck: boolean; healing: Healing; faults: string[]; episodeId: string }

/** How far the store's clock, which everybody goes by, is ahead of this machine's. */
type StoreTime = { aheadMs: number }

/** One cloud, in which one episode after the other is struck. */
export class Lane {
  readonly cloud: LocalCloud
  readonly client: ApiClient
  readonly #planFile: string
  readonly #sweepUrl: string
  readonly #time: StoreTime
  #runs = 0

  constructor(cloud: LocalCloud, client: ApiClient, planFile: string, time: StoreTime) {
    this.#time = time
    this.cloud = cloud
    this.client = client
    this.#planFile = planFile
    this.#sweepUrl = `${cloud.functionsBaseUrl}/ops-sweep`
  }

  static async open(folder: string, name: string): Promise<Lane> {
    const planFile = join(folder, name)
    const preload = new URL(`./crash-point.ts?plan=${encodeURIComponent(planFile)}`, import.meta.url).href
    const time: StoreTime = { aheadMs: 0 }
    const firestoreNowMs = () => Date.now() + time.aheadMs
    const cloud = await startTestCloud({ environment: ENVIRONMENT, preload, instancesPerFunction: 2, firestoreNowMs })
    return new Lane(cloud, await clientOf(cloud, 'alice'), planFile, time)
  }

  /** The points that one undisturbed episode reaches, once everything is warm. */
  async record(): Promise<string[]> {
    for (let i = 0; i < 2; i++) await this.run(undefined)
    const reached = this.#reached()
    // Sweeps and looks at the episode come by the clock, not by what the episode does.
    return reached.filter((point) => !/^(ops\.sweep|episodes\.get) /.test(point))
  }

  /** The points of the run that was last, in order. */
  #reached(): string[] {
    return readFileSync(`${this.#planFile}.reached.${this.#runs}`, 'utf8').trim().split('\n')
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
      ...chargeFaultsOf(after, this.cloud.work.readCharges(id), struck ? unsentCallsOf(crash, this.#reached()) : {}),
      ...(await this.#insist(() => toldUsageFaultsOf(this.client))),
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

  /**
   * An episode is deleted while the worker at that point is frozen, which goes on afterwards.
   * @returns what may be nowhere once the time of deletions has passed
   */
  async runDeleted(point: string): Promise<Secrets> {
    const plan: Plan = { run: ++this.#runs, crash: { point, side: 'after', signal: 'SIGSTOP' } }
    const words = [`Deleted ${plan.run}.`, `Goodbye ${plan.run}.`]
    const { id } = await uploaded(this.client, String(words[0]), { intro: { text: words[1] } })
    writeFileSync(this.#planFile, JSON.stringify(plan))
    const struckFile = `${this.#planFile}.struck.${plan.run}`
    await this.#insist(() => this.client.act('process', id))
    const giveUpAtMs = Date.now() + SETTLE_TIMEOUT_MS
    while (!existsSync(struckFile) && Date.now() < giveUpAtMs) {
      if ((await this.#insist(() => this.client.get(id))).status !== 'processing') break
      await sleep(20)
    }
    await this.#insist(() => this.client.delete(id))
    rmSync(this.#planFile)
    if (existsSync(struckFile)) process.kill(Number(readFileSync(struckFile, 'utf8')), 'SIGCONT')
    while (tasksUnderWay(this.cloud, id).length > 0 && Date.now() < giveUpAtMs) await sleep(20)
    return { episodeId: id, words }
  }

  /** Lets that much of the store's time go by. */
  async pass(ms: number): Promise<void> {
    this.#time.aheadMs += ms
    for (let i = 0; i < 3; i++) await this.sweep()
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

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
