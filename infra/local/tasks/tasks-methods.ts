import { GrpcError, STATUS } from '../grpc-service.ts'
import type { Methods } from '../grpc-service.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { HttpTarget } from './http-target.ts'
import { fromMs, toMs } from './protobuf-time.ts'
import type { ProtoTime } from './protobuf-time.ts'
import type { Queue, QueueResource, Task } from './queue.ts'

type TaskResource = {
  name?: string
  httpRequest?: HttpTarget | null
  scheduleTime?: ProtoTime | null
  dispatchDeadline?: ProtoTime | null
}

const DISPATCH_DEADLINE_MS = { min: 15_000, max: 1_800_000, default: 600_000 }
const TASK_BYTES_MAX = 100 * 1024
const SCHEDULE_AHEAD_MS_MAX = 30 * 24 * 3_600_000
const PAGE_SIZE_MAX = 1000

/** google.cloud.tasks.v2.CloudTasks */
export function tasksMethods(dispatcher: Dispatcher): Methods {
  const queueOf = (name: string): Queue => {
    const queue = dispatcher.queues.get(name)
    if (queue === undefined) throw new GrpcError(STATUS.notFound, 'Queue does not exist.')
    return queue
  }
  const taskOf = (name: string): { queue: Queue; task: Task } => {
    const queue = queueOf(name.slice(0, name.indexOf('/tasks/')))
    const task = queue.tasks.get(name)
    if (task === undefined) throw new GrpcError(STATUS.notFound, 'The task does not exist.')
    return { queue, task }
  }
  const changeQueue = (name: string, change: (queue: Queue) => void): QueueResource => {
    const queue = queueOf(name)
    change(queue)
    dispatcher.wake()
    return queue.resource
  }

  return {
    unary: {
      CreateQueue: ({ queue }: { queue: QueueResource }) => {
        if (dispatcher.queues.has(queue.name)) throw new GrpcError(STATUS.alreadyExists, 'Queue already exists')
        return dispatcher.createQueue(queue).resource
      },
      UpdateQueue: ({ queue }: { queue: QueueResource }) => {
        if (!dispatcher.queues.has(queue.name)) return dispatcher.createQueue(queue).resource
        return changeQueue(queue.name, (known) => (known.resource = { ...known.resource, ...queue }))
      },
      GetQueue: ({ name }: { name: string }) => queueOf(name).resource,
      ListQueues: ({ parent }: { parent: string }) => ({
        queues: [...dispatcher.queues.values()]
          .map(({ resource }) => resource)
          .filter(({ name }) => name.startsWith(`${parent}/`)),
      }),
      DeleteQueue: ({ name }: { name: string }) => {
        queueOf(name).purge(Date.now())
        dispatcher.queues.delete(name)
        return {}
      },
      PauseQueue: ({ name }: { name: string }) =>
        changeQueue(name, (queue) => (queue.resource = { ...queue.resource, state: 'PAUSED' })),
      ResumeQueue: ({ name }: { name: string }) =>
        changeQueue(name, (queue) => (queue.resource = { ...queue.resource, state: 'RUNNING' })),
      PurgeQueue: ({ name }: { name: string }) =>
        changeQueue(name, (queue) => {
          queue.purge(Date.now())
          queue.resource = { ...queue.resource, purgeTime: fromMs(Date.now()) }
        }),
      CreateTask: ({ parent, task }: { parent: string; task: TaskResource }) => {
        const queue = queueOf(parent)
        const made = newTask(parent, task, Date.now())
        if (queue.isReserved(made.name, Date.now()))
          throw new GrpcError(
            STATUS.alreadyExists,
            'The task cannot be created because a task with this name existed too recently.',
          )
        queue.add(made)
        dispatcher.wake()
        return resourceOf(made)
      },
      GetTask: ({ name }: { name: string }) => resourceOf(taskOf(name).task),
      ListTasks: ({ parent, pageSize, pageToken }: { parent: string; pageSize?: number; pageToken?: string }) => {
        const names = [...queueOf(parent).tasks.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
        const rest = names.filter(({ name }) => name > (pageToken ?? ''))
        const page = rest.slice(0, Math.min(pageSize || PAGE_SIZE_MAX, PAGE_SIZE_MAX))
        return {
          tasks: page.map(resourceOf),
          nextPageToken: rest.length > page.length ? (page.at(-1)?.name ?? '') : '',
        }
      },
      DeleteTask: ({ name }: { name: string }) => {
        const { queue, task } = taskOf(name)
        queue.remove(task, Date.now())
        return {}
      },
      RunTask: ({ name }: { name: string }) => {
        const { queue, task } = taskOf(name)
        void dispatcher.deliverNow(queue, task)
        return resourceOf(task)
      },
    },
  }
}

/** What google.cloud.tasks.v2beta3.CloudTasks has beside v2: how queues are doing. */
export function statsMethods(dispatcher: Dispatcher): Methods {
  return {
    unary: {
      GetQueue: ({ name }: { name: string }) => {
        const queue = dispatcher.queues.get(name)
        if (queue === undefined) throw new GrpcError(STATUS.notFound, 'Queue does not exist.')
        return { ...queue.resource, stats: queue.stats(Date.now()) }
      },
    },
  }
}

function newTask(parent: string, task: TaskResource, nowMs: number): Task {
  const name = task.name || `${parent}/tasks/${nowMs}${Math.floor(Math.random() * 1e9)}`
  const { httpRequest } = task
  if (!/^[\w-]{1,500}$/.test(name.slice(parent.length + '/tasks/'.length)) || !name.startsWith(`${parent}/tasks/`))
    throw new GrpcError(
      STATUS.invalidArgument,
      'Task name must be PARENT/tasks/ID with an ID of letters, digits, _ and -.',
    )
  if (!httpRequest?.url || !URL.canParse(httpRequest.url))
    throw new GrpcError(STATUS.invalidArgument, 'HttpRequest.url is required.')
  if ((httpRequest.body?.length ?? 0) > TASK_BYTES_MAX)
    throw new GrpcError(STATUS.invalidArgument, 'Task size too large')
  const scheduleTimeMs = task.scheduleTime ? toMs(task.scheduleTime) : nowMs
  if (scheduleTimeMs > nowMs + SCHEDULE_AHEAD_MS_MAX)
    throw new GrpcError(STATUS.invalidArgument, 'schedule_time is too far ahead.')
  const dispatchDeadlineMs = task.dispatchDeadline ? toMs(task.dispatchDeadline) : DISPATCH_DEADLINE_MS.default
  if (dispatchDeadlineMs < DISPATCH_DEADLINE_MS.min || dispatchDeadlineMs > DISPATCH_DEADLINE_MS.max)
    throw new GrpcError(STATUS.invalidArgument, 'Task.dispatchDeadline must be between [15s, 30m].')
  return {
    name,
    httpRequest,
    scheduleTimeMs,
    createTimeMs: nowMs,
    dispatchDeadlineMs,
    dispatchCount: 0,
    responseCount: 0,
    firstAttemptMs: undefined,
    lastStatus: undefined,
    running: false,
  }
}

function resourceOf(task: Task): Record<string, unknown> {
  const { httpRequest } = task
  return {
    name: task.name,
    // As in the API's BASIC view, the body is not given back.
    httpRequest: {
      url: httpRequest.url,
      httpMethod: httpRequest.httpMethod ?? 'POST',
      headers: httpRequest.headers ?? {},
    },
    scheduleTime: fromMs(task.scheduleTimeMs),
    createTime: fromMs(task.createTimeMs),
    dispatchDeadline: fromMs(task.dispatchDeadlineMs),
    dispatchCount: task.dispatchCount,
    responseCount: task.responseCount,
    ...(task.firstAttemptMs !== undefined && { firstAttempt: attemptOf({ dispatchMs: task.firstAttemptMs }) }),
    ...(task.lastAttempt && { lastAttempt: attemptOf(task.lastAttempt) }),
  }
}

function attemptOf({ dispatchMs, responseMs }: NonNullable<Task['lastAttempt']>): Record<string, ProtoTime> {
  return { dispatchTime: fromMs(dispatchMs), ...(responseMs !== undefined && { responseTime: fromMs(responseMs) }) }
}
