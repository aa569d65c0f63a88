import type { Clients } from '../clients.ts'
import { logFilter } from '../monitoring/policies.ts'
import { DELAY_SECONDS } from '../monitoring/rules.ts'
import type { Observation, Sample } from './judge.ts'
import type { Split } from './traffic.ts'

/** Reads what both revisions of every function did between two moments. */
export type Observe = (splits: readonly Split[], fromMs: number, toMs: number) => Promise<Observation>

/** What happened later than this before now may not be visible yet. */
export const LAG_MS = DELAY_SECONDS.metric * 1000

const MINUTE_SECONDS = 60
const SERVICE = 'resource.labels.service_name'
const REVISION = 'resource.labels.revision_name'
const CLASS = 'metric.labels.response_code_class'

type Series = {
  metric?: { labels?: Record<string, string> | null } | null
  resource?: { labels?: Record<string, string> | null } | null
  points?: { value?: { int64Value?: unknown; distributionValue?: Distribution | null } | null }[] | null
}
type Distribution = {
  bucketCounts?: unknown[] | null
  bucketOptions?: {
    exponentialBuckets?: { growthFactor?: number | null; scale?: number | null } | null
  } | null
}

/** From Cloud Run's own metrics, and from the log for breakers. */
export function observing({ series, logs }: Clients, project: string): Observe {
  const read = async (type: string, fromMs: number, toMs: number, by: string[]): Promise<Series[]> => {
    const [found] = await series.listTimeSeries({
      name: `projects/${project}`,
      filter: `metric.type="run.googleapis.com/${type}" AND resource.type="cloud_run_revision"`,
      interval: { startTime: timestamp(fromMs), endTime: timestamp(toMs) },
      aggregation: {
        alignmentPeriod: { seconds: Math.max(MINUTE_SECONDS, Math.round((toMs - fromMs) / 1000)) },
        perSeriesAligner: 'ALIGN_DELTA',
        crossSeriesReducer: 'REDUCE_SUM',
        groupByFields: by,
      },
      view: 'FULL',
    })
    return found
  }

  return async (splits, fromMs, toMs) => {
    const [counts, latencies, opened] = await Promise.all([
      read('request_count', fromMs, toMs, [SERVICE, REVISION, CLASS]),
      read('request_latencies', fromMs, toMs, [SERVICE, REVISION]),
      logs.listLogEntries({
        resourceNames: [`projects/${project}`],
        filter: `${logFilter({ event: ['breaker.opened'] })} AND timestamp>="${rfc3339(fromMs)}" AND timestamp<"${rfc3339(toMs)}"`,
      }),
    ])
    const sampleOf = (name: string, revision: string): Sample => {
      const short = revision.slice(revision.lastIndexOf('/') + 1)
      const own = (all: readonly Series[]) =>
        all.filter(
          ({ resource }) => resource?.labels?.['service_name'] === name && resource.labels['revision_name'] === short,
        )
      const requests = own(counts)
      const errors = requests.filter(({ metric }) => metric?.labels?.['response_code_class'] === '5xx')
      const lines = opened[0].filter(
        ({ resource }) => resource?.labels?.['service_name'] === name && resource.labels['revision_name'] === short,
      )
      return {
        requests: countOf(requests),
        errors: countOf(errors),
        p95Ms: quantileOf(own(latencies), 0.95),
        breakersOpened: lines.length,
      }
    }
    return Object.fromEntries(
      splits.map((split) => [
        split.name,
        { old: sampleOf(split.name, split.old), new: sampleOf(split.name, split.new) },
      ]),
    )
  }
}

function countOf(all: readonly Series[]): number {
  return all.flatMap(({ points }) => points ?? []).reduce((sum, { value }) => sum + Number(value?.int64Value ?? 0), 0)
}

/** Within the bucket that the quantile falls into, values are taken to be spread evenly. */
function quantileOf(all: readonly Series[], q: number): number | undefined {
  const distributions = all.flatMap(({ points }) => points ?? []).flatMap(({ value }) => value?.distributionValue ?? [])
  const [first] = distributions
  if (first === undefined) return undefined
  const { growthFactor, scale } = first.bucketOptions?.exponentialBuckets ?? {}
  const counts: number[] = []
  for (const { bucketCounts } of distributions)
    bucketCounts?.forEach((count, i) => (counts[i] = (counts[i] ?? 0) + Number(count)))
  const wanted = q * counts.reduce((sum, count) => sum + count, 0)
  // Bucket 0 is what is below the scale (google.api.Distribution.BucketOptions.Exponential).
  const boundOf = (i: number) => (i <= 0 ? 0 : (scale ?? 1) * (growthFactor ?? 2) ** (i - 1))
  let below = 0
  for (const [i, count] of counts.entries()) {
    if (below + count >= wanted && count > 0)
      return boundOf(i) + ((wanted - below) / count) * (boundOf(i + 1) - boundOf(i))
    below += count
  }
  return undefined
}

function timestamp(ms: number): { seconds: number; nanos: number } {
  return { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 }
}

function rfc3339(ms: number): string {
  return new Date(ms).toISOString()
}
