import { PROVIDERS } from '../../../shared/providers/providers.ts'
import type { Deployment } from '../deployment.ts'
import type { Fields, Resource } from '../resource.ts'
import { logFilter } from './policies.ts'

/** A metric that is counted out of the log: for the dashboard, not for alerts, because it comes up to 10 minutes late. */
type LogMetric = {
  id: string
  description: string
  /** Fields of a line's JSON with the values that count; a field with no values has to be there. */
  fields: Readonly<Record<string, readonly string[]>>
  labels: readonly string[]
  /** The number in the line that is collected; a plain count of lines when absent. */
  value?: { field: string; unit: string; scale: number }
}

const REQUESTS = ['request.handled', 'request.refused', 'request.slow', 'request.very_slow', 'request.failed']

export const LOG_METRICS: readonly LogMetric[] = [
  {
    id: 'request_duration',
    description: 'how long requests took, by function',
    fields: { event: REQUESTS },
    labels: ['function'],
    value: { field: 'durationMs', unit: 'ms', scale: 1 },
  },
  {
    id: 'requests',
    description: 'requests by function and by how they ended',
    fields: { event: REQUESTS },
    labels: ['function', 'event', 'code'],
  },
  {
    id: 'request_size',
    description: 'bytes of the bodies of requests',
    fields: { event: REQUESTS },
    labels: ['function'],
    value: { field: 'bodyBytes', unit: 'By', scale: 1 },
  },
  {
    id: 'oversize_size',
    description: 'bytes that requests declared which were refused for their size',
    fields: { event: ['request.refused'], code: ['request_too_large'] },
    labels: ['function'],
    value: { field: 'bodyBytes', unit: 'By', scale: 1024 },
  },
  {
    id: 'breaker_transitions',
    description: 'what circuit breakers did',
    fields: { event: ['breaker.opened', 'breaker.half_open', 'breaker.closed', 'breaker.forced'] },
    labels: ['breaker', 'event', 'reason'],
  },
  {
    id: 'breaker_open_time',
    description: 'how long a breaker was open when it closed',
    fields: { event: ['breaker.closed'] },
    labels: ['breaker'],
    value: { field: 'unavailableMs', unit: 'ms', scale: 100 },
  },
  {
    id: 'stuck_episodes',
    description: 'what the sweep did about episodes that nobody looked after',
    fields: { event: ['sweep.decided'] },
    labels: ['action', 'step'],
  },
  {
    id: 'stuck_detection_time',
    description: 'how long they had been due when the sweep found them',
    fields: { event: ['sweep.decided'] },
    labels: ['action'],
    value: { field: 'detectedAfterSeconds', unit: 's', scale: 1 },
  },
  {
    id: 'stuck_resolution_time',
    description: 'how long it took until a step that was given to another attempt was done',
    fields: { event: ['step.cured'] },
    labels: ['step'],
    value: { field: 'tookMs', unit: 'ms', scale: 100 },
  },
  {
    id: 'redeliveries',
    description: 'tasks that were delivered again, because the delivery before did not end them',
    fields: { event: ['step.redelivered'] },
    labels: ['step'],
  },
  {
    id: 'fallbacks',
    description: 'steps that did without their provider',
    fields: { event: ['step.fell_back'] },
    labels: ['provider'],
  },
  {
    id: 'episodes_ended',
    description: 'episodes by how they ended',
    fields: { event: ['episode.ready', 'episode.error', 'episode.cancelled'] },
    labels: ['event'],
  },
  ...costMetrics(),
]

/** What an episode costs at each provider, in the units in which it charges. */
export function costMetrics(): (LogMetric & { title: string })[] {
  return PROVIDERS.flatMap(({ name, costs }) =>
    Object.entries(costs).map(([field, { meaning, unit, scale }]) => ({
      id: `cost_${name}_${snakeCase(field)}`,
      title: `Per episode: ${meaning}`,
      description: `${meaning} for an episode`,
      fields: { event: ['episode.ready'] },
      labels: [],
      value: { field: `costs.${name}.${field}`, unit, scale },
    })),
  )
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** Each bucket is a quarter wider than the one before, so that a quantile is right within an eighth. */
const BUCKETS = { numFiniteBuckets: 64, growthFactor: 1.25 }

export function logMetrics({ project }: Deployment): Resource[] {
  return LOG_METRICS.map(({ id, description, fields, labels, value }) => ({
    kind: 'metric',
    name: `projects/${project}/metrics/steadycast/${id}`,
    reason: description,
    fields: {
      description,
      filter: logFilter(fields),
      metricDescriptor: {
        metricKind: 'DELTA',
        valueType: value === undefined ? 'INT64' : 'DISTRIBUTION',
        unit: value?.unit ?? '1',
        labels: labels.map((key) => ({ key, valueType: 'STRING' })),
      },
      labelExtractors: Object.fromEntries(labels.map((label) => [label, `EXTRACT(jsonPayload.${label})`])),
      ...(value !== undefined && valueFields(value)),
    } satisfies Fields,
  }))
}

function valueFields({ field, scale }: NonNullable<LogMetric['value']>): Fields {
  return {
    valueExtractor: `EXTRACT(jsonPayload.${field})`,
    bucketOptions: { exponentialBuckets: { ...BUCKETS, scale } },
  }
}
