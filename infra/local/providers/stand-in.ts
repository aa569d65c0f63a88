import type { Faults } from '../faults.ts'
import type { HttpService } from '../http-service.ts'
import type { Journal } from '../journal.ts'
import type { KeptJobs } from './jobs.ts'

/** Multiplies every modelled latency, and may change: 1 behaves like the provider, 0 answers at once. */
export type Pace = { factor: number }

export type StandInOptions = {
  faults: Faults
  journal: Journal
  apiKey: string
  pace: Pace
  /** Undefined: jobs are gone when it stops. */
  kept?: KeptJobs | undefined
}

/** A provider as the local cloud plays it. */
export type StandIn = {
  /** What follows its origin in the address that the functions are given. */
  readonly basePath: string
  /** Makes its servers, not started yet: the API, and what the API sends its callers to. */
  readonly makeServers: (
    options: StandInOptions,
    work: WorkLog,
  ) => {
    readonly api: HttpService
    readonly behind: readonly HttpService[]
    /** Begins anew what was under way when an earlier start ended; once all that it fetches from is up. */
    readonly resume?: () => void
  }
}

/** Said by every stand-in in what it makes, so that nobody takes it for the real thing. */
export const STAND_IN_NOTICE = 'made by a Steadycast stand-in'

/** Work a stand-in has taken on: how long each job took, so that the demo can tell our time from theirs. */
export type WorkRecord = { target: string; episodeId: string | undefined; startedAtMs: number; endedAtMs: number }

/** What was charged: provider to unit to amount, in the words of an episode's `costs`. */
export type Charges = Record<string, Record<string, number>>

const EPISODES_MAX = 20_000

export class WorkLog {
  readonly #records: WorkRecord[] = []
  readonly #charges = new Map<string, Charges>()

  /** @param charged what the provider would bill for it; nothing where the work came to nothing */
  record(
    target: string,
    episodeId: string | undefined,
    startedAtMs: number,
    charged: Readonly<Record<string, number>> = {},
  ): void {
    this.#records.push({ target, episodeId, startedAtMs, endedAtMs: Date.now() })
    if (this.#records.length > 10_000) this.#records.splice(0, 1000)
    if (episodeId !== undefined) this.#charge(target, episodeId, charged)
  }

  of(episodeId: string): WorkRecord[] {
    return this.#records.filter((record) => record.episodeId === episodeId)
  }

  /** The stand-ins' own ledger: whatever they have charged for an episode, whether or not anybody heard their answer. */
  readCharges(episodeId: string): Charges {
    return structuredClone(this.#charges.get(episodeId) ?? {})
  }

  #charge(target: string, episodeId: string, charged: Readonly<Record<string, number>>): void {
    const entries = Object.entries(charged).filter(([, amount]) => amount !== 0)
    if (entries.length === 0) return
    const all = this.#charges.get(episodeId) ?? {}
    const sums = all[target] ?? {}
    for (const [unit, amount] of entries) sums[unit] = (sums[unit] ?? 0) + amount
    this.#charges.set(episodeId, { ...all, [target]: sums })
    const [oldest] = this.#charges.keys()
    if (this.#charges.size > EPISODES_MAX && oldest !== undefined) this.#charges.delete(oldest)
  }
}

/** Sleeps without holding the process open. */
export function wait(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, delayMs)).unref())
}

/** The episode a signed storage URL belongs to. */
export function episodeIn(text: string): string | undefined {
  return /episodes\/([0-9a-f]{24})\//.exec(text)?.[1] ?? /episodeId=([0-9a-f]{24})/.exec(text)?.[1]
}

const FETCH_BYTES_MAX = 2 * 1024 * 1024 * 1024

const FETCH_MS_MAX = 30_000

/** Fetches audio as a provider would. @returns undefined when there is none to be had */
export async function fetchAudio(url: string): Promise<Buffer | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(FETCH_MS_MAX) })
    if (!response.ok || Number(response.headers.get('content-length') ?? 0) > FETCH_BYTES_MAX) return undefined
    return Buffer.from(await response.arrayBuffer())
  } catch {
    return undefined
  }
}
