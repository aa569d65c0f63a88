import { describe, expect, test } from 'vitest'

import type { TaskQueue } from '../../shared/engine/ports.ts'
import type { StepTask } from '../../shared/engine/task.ts'

export type Delivered = { readonly task: StepTask; readonly atMs: number }

export type QueueUnderTest = {
  readonly queue: TaskQueue
  /** Deliveries of a workflow's tasks so far, in order. */
  readonly delivered: (workflowId: string) => readonly Delivered[]
  /** Leaves a delivery without an answer until the returned function is called. */
  readonly holdAnswers: () => () => void
  /** Lets so much time pass. */
  readonly pass: (ms: number) => Promise<void>
  readonly nowMs: () => number
}

/** How long a task may take that nothing keeps. */
const SOON_MS = 10_000
const GLANCE_MS = 20
/** Long enough for a task that must not come to have come. */
const WHILE_MS = 300
/** Clocks of two processes, and what is lost where times are rounded. */
const CLOCKS_MS = 2

/** What the engine relies on of a queue of tasks. */
export function taskQueueContract(name: string, open: () => Promise<QueueUnderTest>): void {
  let ids = 0
  const newId = () => `${ids++}`.padStart(24, 'a')
  const task = (more: Partial<StepTask> = {}): StepTask => ({ step: 'write', generation: 1, dispatch: 1, ...more })
  const arrival = async ({ delivered, pass }: QueueUnderTest, id: string, count = 1) => {
    for (let passedMs = 0; passedMs < SOON_MS && delivered(id).length < count; passedMs += GLANCE_MS)
      await pass(GLANCE_MS)
    return delivered(id)
  }

  describe(`queue of tasks: ${name}`, () => {
    test('delivers what was enqueued, as it was', async () => {
      const world = await open()
      const id = newId()
      await world.queue.enqueue(id, task({ generation: 3, dispatch: 7 }))
      const [first] = await arrival(world, id)
      expect(first?.task).toMatchObject({ step: 'write', generation: 3, dispatch: 7 })
    })

    test('delivers a task once however often it is enqueued, be it after it was carried out', async () => {
      const world = await open()
      const id = newId()
      await Promise.all([world.queue.enqueue(id, task()), world.queue.enqueue(id, task())])
      await arrival(world, id)
      await world.queue.enqueue(id, task())
      await world.pass(WHILE_MS)
      expect(world.delivered(id)).toHaveLength(1)
    })

    test('delivers each number, each generation and each step of its own', async () => {
      const world = await open()
      const id = newId()
      const tasks = [task(), task({ dispatch: 2 }), task({ generation: 2 }), task({ step: 'voice' })]
      for (const one of tasks) await world.queue.enqueue(id, one)
      const inShort = ({ step, generation, dispatch }: StepTask) => `${step} ${generation} ${dispatch}`
      const arrived = await arrival(world, id, tasks.length)
      expect(arrived.map((one) => inShort(one.task)).toSorted()).toEqual(tasks.map(inShort).toSorted())
    })

    test('keeps the tasks of two workflows apart', async () => {
      const world = await open()
      const [one, other] = [newId(), newId()]
      for (const id of [one, other]) await world.queue.enqueue(id, task())
      expect([await arrival(world, one), await arrival(world, other)]).toMatchObject([[{}], [{}]])
    })

    test('says of a task that waits when it is due, and of any other that it is gone', async () => {
      const { queue, nowMs } = await open()
      const id = newId()
      const notBeforeMs = nowMs() + 60_000
      await queue.enqueue(id, task({ notBeforeMs }))
      const found = await queue.find(id, task())
      expect(found).toMatchObject({ kind: 'waiting', triedSinceMs: undefined })
      if (found.kind === 'waiting') expect(Math.abs(found.dueAtMs - notBeforeMs)).toBeLessThanOrEqual(CLOCKS_MS)
      const others = [task({ dispatch: 2 }), task({ generation: 2 }), task({ step: 'voice' })]
      for (const other of others) expect(await queue.find(id, other)).toEqual({ kind: 'gone' })
      expect(await queue.find(newId(), task())).toEqual({ kind: 'gone' })
    })

    test('says of a task since when it is being delivered, and that it is gone once it is carried out', async () => {
      const world = await open()
      const id = newId()
      const answer = world.holdAnswers()
      await world.queue.enqueue(id, task())
      const [first] = await arrival(world, id)
      const found = await world.queue.find(id, task())
      expect(found.kind).toBe('delivering')
      if (found.kind === 'delivering') expect(Math.abs(found.sinceMs - (first?.atMs ?? 0))).toBeLessThanOrEqual(SOON_MS)
      answer()
      let last = found.kind as string
      for (let passedMs = 0; passedMs < SOON_MS && last !== 'gone'; passedMs += GLANCE_MS) {
        await world.pass(GLANCE_MS)
        last = (await world.queue.find(id, task())).kind
      }
      expect(last).toBe('gone')
    })

    test('delivers nothing before its time, and then soon', async () => {
      const world = await open()
      const id = newId()
      const notBeforeMs = world.nowMs() + 400
      await world.queue.enqueue(id, task({ notBeforeMs }))
      const [first] = await arrival(world, id)
      expect(first?.atMs).toBeGreaterThanOrEqual(notBeforeMs - CLOCKS_MS)
    })
  })
}
