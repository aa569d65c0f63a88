import type { Identity } from '../identity.ts'
import type { Journal } from '../journal.ts'
import type { KeptTable } from '../kept/table.ts'
import { callTarget } from './http-target.ts'
import { Queue } from './queue.ts'
import type { KeptTask, QueueResource, Task } from './queue.ts'

const LONGEST_NAP_MS = 60_000

/** All queues, and the loop that delivers what is due. */
export class Dispatcher {
  readonly queues = new Map<string, Queue>()
  readonly #identity: Identity
  readonly #journal: Journal
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  readonly #kept: KeptTable<KeptTask> | undefined

  /** @param kept tasks of an earlier process, which go out at the first `wake`, and where those of this one go */
  constructor(identity: Identity, journal: Journal, kept?: KeptTable<KeptTask>) {
    this.#identity = identity
    this.#journal = journal
    this.#kept = kept
  }

  createQueue(resource: QueueResource): Queue {
    const queue = new Queue(resource, Date.now(), this.#kept)
    this.queues.set(resource.name, queue)
    return queue
  }

  /** Looks at the queues now, and again when the next task is due. Called after every change. */
  wake(): void {
    if (this.#stopped) return
    clearTimeout(this.#timer)
    const nowMs = Date.now()
    for (const queue of this.queues.values()) for (const task of queue.take(nowMs)) void this.#deliver(queue, task)
    const waits = [...this.queues.values()].map((queue) => queue.nextWakeMs(nowMs)).filter((wait) => wait !== undefined)
    if (waits.length > 0)
      this.#timer = setTimeout(() => this.wake(), Math.min(LONGEST_NAP_MS, Math.max(1, Math.min(...waits))))
  }

  /** Delivers a task outside its turn, even while it runs or after it is done: at-least-once, provoked. */
  async deliverNow(queue: Queue, task: Task): Promise<number> {
    queue.beginAttempt(task, Date.now())
    return this.#deliver(queue, task)
  }

  findTask(id: string): { queue: Queue; task: Task } | undefined {
    for (const queue of this.queues.values())
      for (const memory of [queue.tasks, queue.finished])
        for (const task of memory.values()) if (task.name === id || task.name.endsWith(`/${id}`)) return { queue, task }
    return undefined
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  async #deliver(queue: Queue, task: Task): Promise<number> {
    const attempt = task.dispatchCount
    const { status, retryAfterSeconds } = await callTarget(
      this.#identity,
      task.httpRequest,
      headersOf(queue, task),
      task.dispatchDeadlineMs,
    )
    if (this.#stopped) return status
    const [queueId, taskId] = [lastPart(queue.resource.name), lastPart(task.name)]
    this.#journal.record('tasks', { task: taskId, queue: queueId, url: task.httpRequest.url, status, attempt })
    queue.endAttempt(task, status, retryAfterSeconds, Date.now())
    this.wake()
    return status
  }
}

/** https://docs.cloud.google.com/tasks/docs/creating-http-target-tasks */
function headersOf(queue: Queue, task: Task): Record<string, string> {
  const previous = task.lastStatus
  return {
    'User-Agent': 'Google-Cloud-Tasks',
    'X-CloudTasks-QueueName': lastPart(queue.resource.name),
    'X-CloudTasks-TaskName': lastPart(task.name),
    'X-CloudTasks-TaskRetryCount': String(task.dispatchCount - 1),
    'X-CloudTasks-TaskExecutionCount': String(task.responseCount),
    'X-CloudTasks-TaskETA': (task.scheduleTimeMs / 1000).toFixed(6),
    ...(previous !== undefined && previous > 0 && { 'X-CloudTasks-TaskPreviousResponse': String(previous) }),
  }
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('/') + 1)
}
