import type { Fields, Resource } from '../resource.ts'
import { costMetrics } from './metrics.ts'

type Chart = { title: string; query: string }

const log = (id: string) => `logging_googleapis_com:user_steadycast_${id}`
const quantile = (q: number, id: string, by: string) =>
  `histogram_quantile(${q}, sum by (le${by === '' ? '' : `, ${by}`}) (rate(${log(id)}_bucket[\${__interval}])))`
const average = (id: string) => `sum(rate(${log(id)}_sum[1h])) / sum(rate(${log(id)}_count[1h]))`
const count = (id: string, by: string, match = '') => `sum by (${by}) (increase(${log(id)}${match}[\${__interval}]))`
const run = (match: string) => `run_googleapis_com:request_count{monitored_resource="cloud_run_revision"${match}}`

/** What somebody on duty looks at, in the order in which they would. */
export const CHARTS: readonly Chart[] = [
  {
    title: 'Errors, share of requests by function',
    query: `sum by (service_name) (rate(${run(',response_code_class="5xx"')}[5m])) / sum by (service_name) (rate(${run('')}[5m]))`,
  },
  { title: 'P50 of request time by function, ms', query: quantile(0.5, 'request_duration', 'function') },
  { title: 'P95 of request time by function, ms', query: quantile(0.95, 'request_duration', 'function') },
  { title: 'P99 of request time by function, ms', query: quantile(0.99, 'request_duration', 'function') },
  {
    title: 'Slow and very slow requests by function',
    query: count('requests', 'function, event', '{event=~"request.slow|request.very_slow"}'),
  },
  {
    title: 'Requests refused for their size, by function',
    query: count('requests', 'function', '{code="request_too_large"}'),
  },
  { title: 'Refused for their size: average, bytes', query: average('oversize_size') },
  { title: 'Refused for their size: peak (P99.9), bytes', query: quantile(0.999, 'oversize_size', '') },
  { title: 'Size of requests: average, bytes', query: average('request_size') },
  { title: 'Size of requests: peak (P99.9), bytes', query: quantile(0.999, 'request_size', '') },
  { title: 'Breakers: transitions', query: count('breaker_transitions', 'breaker, event') },
  { title: 'Breakers: time open when they closed, ms', query: quantile(0.95, 'breaker_open_time', 'breaker') },
  { title: 'Stuck episodes: what was done', query: count('stuck_episodes', 'action, step') },
  { title: 'Stuck episodes: time to detection (P95), s', query: quantile(0.95, 'stuck_detection_time', 'action') },
  { title: 'Stuck episodes: time to resolution (P95), ms', query: quantile(0.95, 'stuck_resolution_time', 'step') },
  { title: 'Tasks delivered again, by step', query: count('redeliveries', 'step') },
  {
    title: 'Queues: depth',
    query: 'max by (queue_id) (cloudtasks_googleapis_com:queue_depth{monitored_resource="cloud_tasks_queue"})',
  },
  {
    title: 'Queues: how late tasks are attempted (P95), ms',
    query:
      'histogram_quantile(0.95, sum by (le, queue_id) (rate(cloudtasks_googleapis_com:queue_task_attempt_delays_bucket{monitored_resource="cloud_tasks_queue"}[5m])))',
  },
  {
    title: 'Fallbacks, share of episodes',
    query: `sum by (provider) (rate(${log('fallbacks')}[1h])) / on() group_left() sum(rate(${log('episodes_ended')}[1h]))`,
  },
  { title: 'Episodes by how they ended', query: count('episodes_ended', 'event') },
  ...costMetrics().map(({ id, title }) => ({ title, query: average(id) })),
]

const COLUMNS = 48
const WIDTH = 24
const HEIGHT = 14

export function dashboard(): Resource {
  return {
    kind: 'dashboard',
    name: 'overview',
    reason: 'what somebody on duty looks at',
    fields: {
      displayName: 'Steadycast',
      mosaicLayout: { columns: COLUMNS, tiles: CHARTS.map(tile) },
    },
  }
}

function tile({ title, query }: Chart, i: number): Fields {
  return {
    xPos: (i % (COLUMNS / WIDTH)) * WIDTH,
    yPos: Math.floor(i / (COLUMNS / WIDTH)) * HEIGHT,
    width: WIDTH,
    height: HEIGHT,
    widget: {
      title,
      xyChart: { dataSets: [{ timeSeriesQuery: { prometheusQuery: query }, plotType: 'LINE' }] },
    },
  }
}
