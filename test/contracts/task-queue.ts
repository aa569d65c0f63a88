import { describe, expect, test } from 'vitest'

import type { TaskQueue } from '../../shared/engine/ports.ts'
import type { StepTask } from '../../shared/engine/task.ts'

export type QueueUnderTest = {
  readonly queue: TaskQueue
  /** Deliveries of a workflow's tasks so far, in order. */
  readonly delivered: (workflowId: string) => readonly StepTask[]
  /** Lets so much time pass. */
  readonly pass: (ms: number) => Promise<void>
  readonly nowMs: () => number
}

/** What the engine relies on of a queue of tasks. */
export function taskQueueContract(name: string, open: () => Promise<QueueUnderTest>): void {
  let ids = 0
  const newId = () => `${ids++}`.padStart(24, 'a')
  const task = (more: Partial<StepTask> = {}): StepTask => ({ step: 'write', generation: 1, dispatch: 1, ...more })
  const numbers = (tasks: readonly StepTask[]) => tasks.map(({ generation, dispatch }) => [generation, dispatch])

  describe(`queue of tasks: ${name}`, () => {
    test('delivers what was enqueued, as it was', async () => {
      const { queue, delivered, pass } = await open()
      const id = newId()
      await queue.enqueue(id, task({ generation: 3, dispatch: 7 }))
      await pass(1_000)
      expect(delivered(id)).toMatchObject([{ step: 'write', generation: 3, dispatch: 7 }])
    })

    test('delivers a task once however often it is enqueued, be it after it was carried out', async () => {
      const { queue, delivered, pass } = await open()
      const id = newId()
      await Promise.all([queue.enqueue(id, task()), queue.enqueue(id, task())])
      await pass(1_000)
      await queue.enqueue(id, task())
      await pass(1_000)
      expect(delivered(id)).toHaveLength(1)
    })

    test('delivers each number of its own', async () => {
      const { queue, delivered, pass } = await open()
      const id = newId()
      for (const dispatch of [1, 2, 3]) await queue.enqueue(id, task({ dispatch }))
      await pass(1_000)
      expect(numbers(delivered(id)).toSorted(([, a = 0], [, b = 0]) => a - b)).toEqual([
        [1, 1],
        [1, 2],
        [1, 3],
      ])
    })

    test('delivers nothing before its time', async () => {
      const { queue, delivered, pass, nowMs } = await open()
      const id = newId()
      await queue.enqueue(id, task({ notBeforeMs: nowMs() + 1_500 }))
      await pass(500)
      expect(delivered(id)).toEqual([])
      await pass(2_000)
      expect(delivered(id)).toHaveLength(1)
    })
  })
}
