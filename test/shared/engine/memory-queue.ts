import type { TaskQueue, Whereabouts } from '../../../shared/engine/ports.ts'
import type { StepTask } from '../../../shared/engine/task.ts'
import { taskId } from '../../../shared/tasks/step-queue.ts'

export type WaitingTask = {
  readonly workflowId: string
  readonly task: StepTask
  dueMs: number
  deliveries: number
  /** While nobody has answered for it. */
  deliveringSinceMs?: number | undefined
  triedSinceMs?: number
  /** When somebody last had it. */
  touchedMs?: number
}

/** Tasks in memory: at least once, in any order, each name once for ever. */
export class MemoryTasks {
  readonly waiting = new Map<string, WaitingTask>()
  readonly #names = new Set<string>()
  readonly #nowMs: () => number
  /** Hears when there is something new to deliver. */
  onAdded: (name: string, waiting: WaitingTask) => void = () => undefined
  /** Whether a task is lost on its way in. */
  losesTask: () => boolean = () => false

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs
  }

  /** The queue of one instance. @param passing is awaited before an operation and before its answer */
  open(passing: (point: 'ask' | 'answer') => Promise<void>): TaskQueue {
    return {
      enqueue: async (workflowId, task) => {
        await passing('ask')
        this.#add(workflowId, task)
        await passing('answer')
      },
      find: async (workflowId, task) => {
        await passing('ask')
        const found = this.#whereaboutsOf(taskId(workflowId, task))
        await passing('answer')
        return found
      },
    }
  }

  #whereaboutsOf(name: string): Whereabouts {
    const waiting = this.waiting.get(name)
    if (waiting === undefined) return { kind: 'gone' }
    const { dueMs: dueAtMs, deliveringSinceMs: sinceMs, triedSinceMs } = waiting
    return sinceMs === undefined ? { kind: 'waiting', dueAtMs, triedSinceMs } : { kind: 'delivering', sinceMs }
  }

  /** A task that goes out now. */
  begin(waiting: WaitingTask): void {
    const nowMs = this.#nowMs()
    waiting.deliveries++
    waiting.triedSinceMs ??= nowMs
    waiting.deliveringSinceMs = waiting.touchedMs = nowMs
  }

  /** A task that goes out again from then on. */
  putBack(waiting: WaitingTask, dueMs: number): void {
    Object.assign(waiting, { dueMs, deliveringSinceMs: undefined })
  }

  /** A task that was carried out; its name stays taken. */
  end(name: string): void {
    this.waiting.delete(name)
  }

  #add(workflowId: string, task: StepTask): void {
    const name = taskId(workflowId, task)
    if (this.#names.has(name)) return
    this.#names.add(name)
    if (this.losesTask()) return
    const waiting = { workflowId, task, dueMs: Math.max(this.#nowMs(), task.notBeforeMs ?? 0), deliveries: 0 }
    this.waiting.set(name, waiting)
    this.onAdded(name, waiting)
  }
}
