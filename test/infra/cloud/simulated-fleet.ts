import { FUNCTIONS } from '../../../functions/functions.ts'
import type { Telemetry } from '../../../infra/local/control-plane/control-plane.ts'
import type { ControlPlaneState, Fields } from '../../../infra/local/control-plane/state.ts'
import { seededRandom } from '../../shared/seeded-random.ts'

/** How one revision behaves, so many minutes after it first had traffic. */
export type Behaviour = {
  errorShare?: (functionName: string, minutes: number) => number
  latencyTimes?: (functionName: string, minutes: number) => number
  /** How often a breaker opens, per minute, in the functions that call providers. */
  breakersPerMinute?: number
}

const MINUTE_MS = 60_000
/** Requests per minute of each function, as many people would make them. */
const REQUESTS: Record<string, number> = { 'episodes-get': 120, 'episodes-list': 40, 'ops-sweep': 1, 'ops-health': 6 }
const REQUESTS_DEFAULT = 8
const ERROR_SHARE = 0.0003
const LATENCY_MS = { people: 80, work: 2_000, spread: 0.6 }
/** As Cloud Run's own latencies have them. */
const BUCKETS = { numFiniteBuckets: 66, growthFactor: 1.4, scale: 1 }

type Minute = { atMs: number; name: string; revision: string; requests: number; errors: number; latencies: number[] }
type Opening = { atMs: number; name: string; revision: string }

/**
 * A fleet that serves requests in virtual time, by the traffic that the control plane says each revision has, and leaves
 * behind what Cloud Run's metrics and the log would hold.
 */
export class SimulatedFleet {
  nowMs = Date.UTC(2026, 0, 5)
  #state: ControlPlaneState | undefined
  readonly #random: () => number
  readonly #behaviour: Behaviour
  readonly #load: number
  readonly #minutes: Minute[] = []
  readonly #openings: Opening[] = []
  readonly #since = new Map<string, number>()
  #stable = new Set<string>()

  constructor(seed: number, behaviour: Behaviour, load = 1) {
    this.#random = seededRandom(seed)
    this.#behaviour = behaviour
    this.#load = load
  }

  /** Whatever has the traffic now is the old revision, and behaves. */
  serve(state: ControlPlaneState): void {
    this.#state = state
    this.#stable = new Set(this.#shares().map(({ revision }) => revision))
  }

  /** Share of all requests that new revisions have at this moment. */
  get share(): number {
    const fresh = this.#shares().filter(({ revision }) => !this.#stable.has(revision))
    return fresh.reduce((sum, { percent }) => sum + percent, 0) / Object.keys(FUNCTIONS).length
  }

  readonly sleep = async (forMs: number): Promise<void> => {
    for (const endMs = this.nowMs + forMs; this.nowMs < endMs; this.nowMs += MINUTE_MS) this.#minute()
  }

  #shares(): { name: string; revision: string; percent: number }[] {
    return Object.keys(FUNCTIONS).flatMap((name) => {
      const service = this.#state?.resources.get(`projects/demo-podcast/locations/us-central1/services/${name}`)
      const latest = String(service?.['latestReadyRevision'])
      const traffic = (service?.['traffic'] ?? []) as { type: string; revision?: string; percent: number }[]
      return traffic.map(({ type, revision, percent }) => ({
        name,
        revision: type.endsWith('LATEST') ? latest.slice(latest.lastIndexOf('/') + 1) : (revision ?? ''),
        percent,
      }))
    })
  }

  #minute(): void {
    for (const { name, revision, percent } of this.#shares()) {
      const expected = ((REQUESTS[name] ?? REQUESTS_DEFAULT) * this.#load * percent) / 100
      const requests = Math.floor(expected + this.#random())
      if (requests === 0) continue
      const stable = this.#stable.has(revision)
      const since = this.#since.get(revision) ?? this.nowMs
      this.#since.set(revision, since)
      const minutes = (this.nowMs - since) / MINUTE_MS
      const { errorShare, latencyTimes, breakersPerMinute = 0 } = stable ? {} : this.#behaviour
      const bad = errorShare?.(name, minutes) ?? ERROR_SHARE
      const times = latencyTimes?.(name, minutes) ?? 1
      const usual = name.startsWith('work-') ? LATENCY_MS.work : LATENCY_MS.people
      this.#minutes.push({
        atMs: this.nowMs,
        name,
        revision,
        requests,
        errors: Array.from({ length: requests }, () => this.#random() < bad).filter(Boolean).length,
        latencies: Array.from({ length: requests }, () => usual * times * Math.exp(LATENCY_MS.spread * this.#normal())),
      })
      if (name.startsWith('work-') && this.#random() < breakersPerMinute)
        this.#openings.push({ atMs: this.nowMs, name, revision })
    }
  }

  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random())
  }

  readonly telemetry: Telemetry = {
    ListTimeSeries: (request: { filter: string; interval: { startTime: Time; endTime: Time } }) => {
      const seen = within(this.#minutes, ms(request.interval.startTime), ms(request.interval.endTime))
      const byRevision = Map.groupBy(seen, ({ name, revision }) => `${name} ${revision}`)
      const isCount = request.filter.includes('request_count')
      return {
        timeSeries: [...byRevision].flatMap(([key, own]) => {
          const [name = '', revision = ''] = key.split(' ')
          return isCount ? counts(name, revision, own) : latencies(name, revision, own)
        }),
      }
    },
    ListLogEntries: ({ filter }: { filter: string }) => {
      const [from = '', to = ''] = [...filter.matchAll(/timestamp[<>]=?"([^"]+)"/g)].map(([, time]) => time ?? '')
      return {
        entries: within(this.#openings, Date.parse(from), Date.parse(to)).map(({ name, revision }) => ({
          resource: { type: 'cloud_run_revision', labels: labels(name, revision) },
        })),
      }
    },
  }
}

type Time = { seconds?: string | number }

function ms({ seconds = 0 }: Time): number {
  return Number(seconds) * 1000
}

function within<Item extends { atMs: number }>(items: readonly Item[], fromMs: number, toMs: number): Item[] {
  return items.filter(({ atMs }) => atMs >= fromMs && atMs < toMs)
}

function labels(name: string, revision: string): Record<string, string> {
  return { service_name: name, revision_name: revision }
}

function counts(name: string, revision: string, own: readonly Minute[]): Fields[] {
  const sum = (of: (minute: Minute) => number) => own.reduce((all, minute) => all + of(minute), 0)
  const errors = sum((minute) => minute.errors)
  const classes = { '2xx': sum(({ requests }) => requests) - errors, '5xx': errors }
  return Object.entries(classes).map(([answered, count]) => ({
    metric: { type: 'run.googleapis.com/request_count', labels: { response_code_class: answered } },
    resource: { type: 'cloud_run_revision', labels: labels(name, revision) },
    points: [{ value: { int64Value: count } }],
  }))
}

function latencies(name: string, revision: string, own: readonly Minute[]): Fields[] {
  const bucketCounts: number[] = Array.from({ length: BUCKETS.numFiniteBuckets + 2 }, () => 0)
  for (const value of own.flatMap((minute) => minute.latencies)) {
    const bucket =
      value < BUCKETS.scale ? 0 : Math.floor(Math.log(value / BUCKETS.scale) / Math.log(BUCKETS.growthFactor)) + 1
    bucketCounts[bucket] = (bucketCounts[bucket] ?? 0) + 1
  }
  return [
    {
      metric: { type: 'run.googleapis.com/request_latencies', labels: {} },
      resource: { type: 'cloud_run_revision', labels: labels(name, revision) },
      points: [{ value: { distributionValue: { bucketOptions: { exponentialBuckets: BUCKETS }, bucketCounts } } }],
    },
  ]
}
