import * as z from 'zod'

import type { Config } from '../config.ts'
import { once } from '../resilience/once.ts'
import { clientOptions } from './client-options.ts'

/** How one queue is doing. */
export type QueueStats = {
  /** Tasks in it, an estimate of the service's. */
  depth: number
  /** How long the task that is due first has been due, in ms; 0 when none is. */
  oldestDueMs: number
  /** Dispatched in the last minute. */
  dispatchedLastMinute: number
  /** Out at this moment. */
  dispatching: number
  /** What the service lets out per second now: less than configured while it throttles. */
  effectiveRate: number
  paused: boolean
}

const FIELDS = ['name', 'state', 'stats']
const wholeNumber = z.coerce.number().catch(0)
const Queue = z.object({
  state: z.union([z.string(), z.number()]).transform(String),
  stats: z
    .object({
      tasksCount: wholeNumber,
      oldestEstimatedArrivalTime: z.object({ seconds: wholeNumber, nanos: wholeNumber }).nullish(),
      executedLastMinuteCount: wholeNumber,
      concurrentDispatchesCount: wholeNumber,
      effectiveExecutionRate: z.number().catch(0),
    })
    .nullish(),
})

/**
 * Reads queues' statistics, which only the beta of the API has (google.cloud.tasks.v2beta3.QueueStats).
 * @throws what the client throws
 */
export function queueStats(config: Config) {
  const opened = once(async () => {
    const { v2beta3 } = await import('@google-cloud/tasks')
    return new v2beta3.CloudTasksClient(await clientOptions(config))
  })
  return async (queue: string, timeoutMs: number, nowMs: number): Promise<QueueStats> => {
    const tasks = await opened()
    const name = tasks.queuePath(config.projectId, config.region, queue)
    const [found] = await tasks.getQueue({ name, readMask: { paths: FIELDS } }, { timeout: timeoutMs, retry: null })
    const { state, stats } = Queue.parse(found)
    const due = stats?.oldestEstimatedArrivalTime
    const dueMs = due ? due.seconds * 1000 + due.nanos / 1e6 : nowMs
    return {
      depth: stats?.tasksCount ?? 0,
      oldestDueMs: Math.max(0, Math.round(nowMs - dueMs)),
      dispatchedLastMinute: stats?.executedLastMinuteCount ?? 0,
      dispatching: stats?.concurrentDispatchesCount ?? 0,
      effectiveRate: stats?.effectiveExecutionRate ?? 0,
      paused: state === 'PAUSED',
    }
  }
}
