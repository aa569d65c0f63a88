import * as z from 'zod'

import type { Config } from '../config.ts'
import type { QueueStats } from '../operations/health/ports.ts'
import { once } from '../resilience/once.ts'
import { clientOptions } from './client-options.ts'

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
