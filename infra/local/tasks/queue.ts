import type { KeptTable } from '../kept/table.ts'
import type { HttpTarget } from './http-target.ts'
import { fromMs, toMs } from './protobuf-time.ts'
import type { ProtoTime } from './protobuf-time.ts'

/** A queue and its tasks as the API describes them (google.cloud.tasks.v2). */
export type QueueResource = {
  name: string
  rateLimits?: { maxDispatchesPerSecond?: number; maxBurstSize?: number; maxConcurrentDispatches?: number } | null
  retryConfig?: {
    maxAttempts?: number
    maxRetryDuration?: ProtoTime | null
    minBackoff?: ProtoTime | null
    maxBackoff?: ProtoTime | null
    maxDoublings?: number
  } | null
  state?: 'RUNNING' | 'PAUSED' | 'DISABLED'
  purgeTime?: ProtoTime
}

export type Task = {
  name: string
  httpRequest: HttpTarget
  scheduleTimeMs: number
  createTimeMs: number
  dispatchDeadlineMs: number
  dispatchCount: number
  responseCount: number
  firstAttemptMs: number | undefined
  /** Of the latest attempt; without a response it is under way. */
  lastAttempt?: { readonly dispatchMs: number; readonly responseMs?: number }
  lastStatus: number | undefined
  running: boolean
}

/** What is kept of a task: all of it while it waits, then how long its name stays reserved. */
export type KeptTask = Task | { readonly reservedUntilMs: number }

/** https://docs.cloud.google.com/tasks/docs/configuring-queues */
const DEFAULTS = {
  perSecond: 500,
  concurrent: 1000,
  attempts: 100,
  minBackoffMs: 100,
  maxBackoffMs: 3_600_000,
  doublings: 16,
}
const THROTTLE_MS = { first: 1000, max: 60_000 }
/** Names of deleted and finished tasks stay reserved for this long. */
const RESERVED_MS = 24 * 3_600_000
const REMEMBERED_MAX = 20_000

/**
 * One queue: when each task may go out. Tokens refill at the queue's rate, a bounded number is out at once, failures
 * back off as configured, and 429 or 503 slow the whole queue, as the real one does.
 */
export class Queue {
  resource: QueueResource
  readonly tasks = new Map<string, Task>()
  /** Finished tasks, kept so that one can be delivered again. */
  readonly finished = new Map<string, Task>()
  readonly #reserved = new Map<string, number>()
  #tokens: number
  #refilledMs: number
  #heldUntilMs = 0
  #throttleMs = 0
  #running = 0
  /** When tasks went out, within the last minute. */
  #dispatchedMs: number[] = []

  readonly #kept: KeptTable<KeptTask> | undefined

  /** @param kept tasks of an earlier process, this queue's among them, and where those of this one go */
  constructor(resource: QueueResource, nowMs: number, kept?: KeptTable<KeptTask>) {
    this.resource = { state: 'RUNNING', ...resource }
    this.#tokens = this.#burst
    this.#refilledMs = nowMs
    this.#kept = kept
    for (const [name, task] of kept?.entries() ?? [])
      if (!name.startsWith(`${resource.name}/tasks/`)) continue
      else if (!('reservedUntilMs' in task)) this.tasks.set(name, { ...task, running: false })
      else if (task.reservedUntilMs > nowMs) this.#reserved.set(name, task.reservedUntilMs)
      else kept?.write([[name, undefined]])
  }

  get #perSecond(): number {
    return this.resource.rateLimits?.maxDispatchesPerSecond ?? DEFAULTS.perSecond
  }

  get #burst(): number {
    return this.resource.rateLimits?.maxBurstSize ?? Math.min(100, Math.max(1, Math.ceil(this.#perSecond)))
  }

  isReserved(name: string, nowMs: number): boolean {
    return this.tasks.has(name) || (this.#reserved.get(name) ?? 0) > nowMs
  }

  add(task: Task): void {
    this.#kept?.write([[task.name, task]])
    this.tasks.set(task.name, task)
  }

  /** Takes a task out for good; its name stays reserved. */
  remove(task: Task, nowMs: number): void {
    const reservedUntilMs = nowMs + RESERVED_MS
    this.#kept?.write([[task.name, { reservedUntilMs }]])
    this.tasks.delete(task.name)
    this.#reserved.set(task.name, reservedUntilMs)
    const [oldest = ''] = this.#reserved.size > REMEMBERED_MAX ? this.#reserved.keys() : []
    if (this.#reserved.delete(oldest)) this.#kept?.write([[oldest, undefined]])
    this.finished.set(task.name, task)
    if (this.finished.size > REMEMBERED_MAX) this.finished.delete(this.finished.keys().next().value ?? '')
  }

  purge(nowMs: number): void {
    for (const task of this.tasks.values()) this.remove(task, nowMs)
  }

  /** The tasks that may go out now; each takes a token and a place. */
  take(nowMs: number): Task[] {
    if (this.resource.state !== 'RUNNING' || nowMs < this.#heldUntilMs) return []
    this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#refilledMs) / 1000) * this.#perSecond)
    this.#refilledMs = nowMs
    const places = (this.resource.rateLimits?.maxConcurrentDispatches ?? DEFAULTS.concurrent) - this.#running
    const due = [...this.tasks.values()]
      .filter((task) => !task.running && task.scheduleTimeMs <= nowMs)
      .toSorted((a, b) => a.scheduleTimeMs - b.scheduleTimeMs)
      .slice(0, Math.max(0, Math.min(places, Math.floor(this.#tokens))))
    this.#tokens -= due.length
    for (const task of due) this.beginAttempt(task, nowMs)
    return due
  }

  /** When `take` may find something, in ms from now; undefined when only a change of the queue can make it. */
  nextWakeMs(nowMs: number): number | undefined {
    if (this.resource.state !== 'RUNNING') return undefined
    const waiting = [...this.tasks.values()].filter(({ running }) => !running)
    if (waiting.length === 0) return undefined
    const dueMs = Math.min(...waiting.map(({ scheduleTimeMs }) => scheduleTimeMs))
    const tokenMs = this.#tokens >= 1 ? 0 : ((1 - this.#tokens) / this.#perSecond) * 1000
    return Math.max(dueMs - nowMs, tokenMs, this.#heldUntilMs - nowMs, 0)
  }

  beginAttempt(task: Task, nowMs: number): void {
    task.running = true
    task.dispatchCount++
    task.lastAttempt = { dispatchMs: nowMs }
    task.firstAttemptMs ??= nowMs
    this.#keep(task)
    this.#running++
    this.#dispatchedMs.push(nowMs)
    if (this.#dispatchedMs.length > REMEMBERED_MAX) this.#dispatchedMs.shift()
  }

  /** google.cloud.tasks.v2beta3.QueueStats */
  stats(nowMs: number) {
    this.#dispatchedMs = this.#dispatchedMs.filter((atMs) => atMs > nowMs - 60_000)
    const due = [...this.tasks.values()].map(({ scheduleTimeMs }) => scheduleTimeMs)
    return {
      tasksCount: this.tasks.size,
      ...(due.length > 0 && { oldestEstimatedArrivalTime: fromMs(Math.min(...due)) }),
      executedLastMinuteCount: this.#dispatchedMs.length,
      concurrentDispatchesCount: this.#running,
      effectiveExecutionRate: nowMs < this.#heldUntilMs ? 0 : this.#perSecond,
    }
  }

  /** An attempt has ended; the task is done with, given up, or due again later. */
  endAttempt(task: Task, status: number, retryAfterSeconds: number | undefined, nowMs: number): void {
    task.running = false
    task.lastAttempt = { dispatchMs: task.lastAttempt?.dispatchMs ?? nowMs, responseMs: nowMs }
    this.#running--
    if (status > 0) task.responseCount += status >= 500 ? 0 : 1
    task.lastStatus = status
    this.#throttle(status, retryAfterSeconds, nowMs)
    if (!this.tasks.has(task.name)) return
    if ((status >= 200 && status < 300) || this.#givesUp(task, nowMs)) return this.remove(task, nowMs)
    task.scheduleTimeMs = nowMs + this.backoffMs(task.dispatchCount - 1)
    this.#keep(task)
  }

  /** One that is done with and delivered again stays done with. */
  #keep(task: Task): void {
    if (this.tasks.has(task.name)) this.#kept?.write([[task.name, task]])
  }

  /** Doubles `maxDoublings` times, then grows by the same amount, up to the most. */
  backoffMs(failures: number): number {
    const { minBackoff, maxBackoff, maxDoublings = DEFAULTS.doublings } = this.resource.retryConfig ?? {}
    const minMs = minBackoff ? toMs(minBackoff) : DEFAULTS.minBackoffMs
    const maxMs = maxBackoff ? toMs(maxBackoff) : DEFAULTS.maxBackoffMs
    const doubled = minMs * 2 ** Math.min(failures, maxDoublings)
    return Math.min(maxMs, doubled * (1 + Math.max(0, failures - maxDoublings)))
  }

  /** Giving up takes both: the attempts and, where one is set, the duration spent. */
  #givesUp(task: Task, nowMs: number): boolean {
    const { maxAttempts = DEFAULTS.attempts, maxRetryDuration } = this.resource.retryConfig ?? {}
    const durationMs = maxRetryDuration ? toMs(maxRetryDuration) : 0
    const attemptsSpent = maxAttempts > 0 && task.dispatchCount >= maxAttempts
    return attemptsSpent && nowMs - (task.firstAttemptMs ?? nowMs) >= durationMs
  }

  #throttle(status: number, retryAfterSeconds: number | undefined, nowMs: number): void {
    if (status !== 429 && status !== 503) {
      this.#throttleMs = 0
      return
    }
    this.#throttleMs = Math.min(THROTTLE_MS.max, this.#throttleMs === 0 ? THROTTLE_MS.first : this.#throttleMs * 2)
    this.#heldUntilMs = nowMs + Math.max(this.#throttleMs, (retryAfterSeconds ?? 0) * 1000)
  }
}
