import { createHash } from 'node:crypto'

import type { protos } from '@google-cloud/tasks'

import type { Config } from '../config.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import type { TaskQueue, Whereabouts } from '../engine/ports.ts'
import type { StepTask } from '../engine/task.ts'
import { DeadlineError, withDeadline } from '../resilience/deadline.ts'
import { GRPC, grpcCode } from '../errors/grpc-code.ts'
import { once } from '../resilience/once.ts'
import { timePart } from '../telemetry/scope.ts'
import { clientOptions } from './client-options.ts'

const CREATE_TIMEOUT_MS = 5000
const FIND_TIMEOUT_MS = 5000

/** Longest a worker may run; its task is given up on a little later. */
export const WORK_TIMEOUT_SECONDS = 540
const DISPATCH_DEADLINE_SECONDS = WORK_TIMEOUT_SECONDS + 30

type Task = protos.google.cloud.tasks.v2.ITask
type Time = protos.google.protobuf.ITimestamp

export type StepQueue = TaskQueue & {
  /** Begins to load the client; call it when the function is sure to need it. */
  preload(): void
}

/** The function that works on a step, and the queue that calls it, share one name. */
export function workFunction(step: string): string {
  return `work-${step}`
}

/**
 * Every task has one name: enqueued twice, it is one task. The hash in front spreads names evenly, as Cloud Tasks
 * wants them (https://docs.cloud.google.com/tasks/docs/common-pitfalls).
 */
export function taskId(workflowId: string, { generation, step, dispatch }: StepTask): string {
  const name = `${workflowId}-g${generation}-${step}-${dispatch}`
  return `${createHash('sha256').update(name).digest('hex').slice(0, 8)}-${name}`
}

export function stepQueue(config: Config): StepQueue {
  const opened = once(async () => {
    const { CloudTasksClient: Client } = await import('@google-cloud/tasks')
    const made = new Client(await clientOptions(config))
    // Otherwise the first call would build the stub.
    await made.initialize()
    return made
  })

  return {
    preload: () => void opened().catch(() => undefined),

    async enqueue(workflowId, task) {
      const tasks = await opened()
      const name = workFunction(task.step)
      const url = `${config.functionsBaseUrl}/${name}`
      const parent = tasks.queuePath(config.projectId, config.region, name)
      const work = tasks.createTask(
        {
          parent,
          task: {
            name: `${parent}/tasks/${taskId(workflowId, task)}`,
            dispatchDeadline: { seconds: DISPATCH_DEADLINE_SECONDS },
            ...(task.notBeforeMs !== undefined && { scheduleTime: timestamp(task.notBeforeMs) }),
            httpRequest: {
              url,
              httpMethod: 'POST',
              headers: { 'Content-Type': 'application/json' },
              body: Buffer.from(JSON.stringify({ episodeId: workflowId, ...task })),
              oidcToken: { serviceAccountEmail: config.tasksServiceAccount, audience: url },
            },
          },
        },
        { timeout: CREATE_TIMEOUT_MS, retry: null },
      )
      try {
        await timePart('tasks', () => withDeadline('Cloud Tasks create', CREATE_TIMEOUT_MS + 500, work))
      } catch (error) {
        if (grpcCode(error) === GRPC.alreadyExists) return
        if (error instanceof DeadlineError || grpcCode(error) !== undefined)
          throw new ServiceUnavailable('tasks', 'Cloud Tasks did not take the task', error)
        throw error
      }
    },

    async find(workflowId, { step, ...numbers }) {
      const tasks = await opened()
      const parent = tasks.queuePath(config.projectId, config.region, workFunction(step))
      const name = `${parent}/tasks/${taskId(workflowId, { step, ...numbers })}`
      const work = tasks.getTask({ name }, { timeout: FIND_TIMEOUT_MS, retry: null })
      try {
        const [task] = await timePart('tasks', () => withDeadline('Cloud Tasks get', FIND_TIMEOUT_MS + 500, work))
        return whereaboutsOf(task)
      } catch (error) {
        if (grpcCode(error) === GRPC.notFound) return { kind: 'gone' }
        if (error instanceof DeadlineError || grpcCode(error) !== undefined)
          throw new ServiceUnavailable('tasks', 'Cloud Tasks did not say where the task is', error)
        throw error
      }
    },
  }
}

/** An attempt without a response is under way (google.cloud.tasks.v2, `Attempt`). */
function whereaboutsOf({ scheduleTime, firstAttempt, lastAttempt }: Task): Whereabouts {
  const sinceMs = lastAttempt?.responseTime ? undefined : readTime(lastAttempt?.dispatchTime)
  if (sinceMs !== undefined) return { kind: 'delivering', sinceMs }
  return { kind: 'waiting', dueAtMs: readTime(scheduleTime) ?? 0, triedSinceMs: readTime(firstAttempt?.dispatchTime) }
}

function readTime(time: Time | null | undefined): number | undefined {
  return time ? Number(time.seconds ?? 0) * 1000 + (time.nanos ?? 0) / 1e6 : undefined
}

function timestamp(timeMs: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(timeMs / 1000)
  return { seconds, nanos: Math.round((timeMs - seconds * 1000) * 1e6) }
}
