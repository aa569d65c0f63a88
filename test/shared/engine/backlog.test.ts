import { describe, expect, test } from 'vitest'

import { sweep } from '../../../shared/engine/sweep/sweep.ts'
import type { SweepReport } from '../../../shared/engine/sweep/sweep.ts'
import { enqueueAll } from '../../../shared/engine/enqueue.ts'
import type { Moved } from '../../../shared/engine/transitions/moved.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import { seededRandom } from '../seeded-random.ts'
import { FAKE_PIPELINE, newOrder } from './fake-pipeline.ts'
import type { FakeStepName, Order } from './fake-pipeline.ts'
import type { WaitingTask } from './memory-queue.ts'
import { FAIR, Instance, RULES, World } from './world.ts'

/* Queues that are slow or paused: what waits in them is not lost, and is not enqueued again. */

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
/** After so long a task that was refused goes out again. */
const REFUSED_MS = 30_000

type StepQueue = { readonly names: string[]; freeAtMs: number; isAwake: boolean }

/** Many workflows, a queue for each step with a rate of its own, and a sweep every minute. */
class Backlog {
  readonly world = new World(seededRandom(7), { ...FAIR, workMs: 5_000 })
  readonly ids: string[]
  /** Deliveries by step. */
  readonly deliveries: Record<string, number> = {}
  readonly sum = { requeued: 0, markedError: 0, failed: 0, checked: 0 }
  readonly told: string[] = []
  postponed = 0
  /** Between two deliveries of a step's queue, in ms. Infinity: it is paused. */
  readonly #everyMs: Partial<Record<string, number>>
  /** Whether nobody takes a task that is delivered: the function has no instance for it, or does not start. */
  refuses: (waiting: WaitingTask) => boolean = () => false
  /** Whether the queue answers where a task is. */
  answers = true
  readonly #queues = new Map<string, StepQueue>()

  constructor(count: number, everyMs: Partial<Record<FakeStepName, number>>) {
    this.#everyMs = everyMs
    const { world } = this
    this.ids = Array.from({ length: count }, (_, index) => `w${`${index}`.padStart(4, '0')}`)
    for (const id of this.ids) world.workflows.create(newOrder(id))
    world.tasks.onAdded = (name, waiting) => void world.time.at(waiting.dueMs, () => this.#add(name, waiting))
    world.time.after(MINUTE_MS, () => void this.#sweepAgain())
  }

  async begin(): Promise<void> {
    for (const id of this.ids) void this.#change(id, (order, nowMs) => start(FAKE_PIPELINE, order, {}, nowMs))
    await this.world.time.run(this.world.time.nowMs + 1000)
  }

  get orders(): Order[] {
    return this.ids.flatMap((id) => this.world.workflows.read(id) ?? [])
  }

  /** How many of them are so. */
  count(status: Order['status']): number {
    return this.orders.filter((order) => order.status === status).length
  }

  /** Tasks of a step that nobody has carried out. */
  outstanding(step: FakeStepName): number {
    return [...this.world.tasks.waiting.values()].filter(({ task }) => task.step === step).length
  }

  pass(ms: number): Promise<void> {
    return this.world.time.run(this.world.time.nowMs + ms)
  }

  async sweep(dryRun = false): Promise<SweepReport> {
    const { world } = this
    const instance = new Instance(world)
    const { queue, store } = instance
    const find: typeof queue.find = (id, task) =>
      this.answers ? queue.find(id, task) : Promise.reject(new Error('the queue is away'))
    const due: typeof store.due = (nowMs, pageSize) => this.#counting(store.due(nowMs, pageSize))
    const report = await sweep<Order>(
      {
        pipeline: FAKE_PIPELINE,
        store: { ...store, due },
        queue: { ...queue, find },
        rules: RULES,
        now: () => world.time.nowMs,
        newId: () => world.newId(),
        tell: (severity, event) => void this.told.push(`${severity} ${event}`),
        findLastResult: async () => undefined,
        remove: async () => undefined,
        tidy: async () => undefined,
        save: async () => undefined,
      },
      { dryRun },
      instance.signal,
    )
    for (const what of ['requeued', 'markedError', 'failed', 'checked'] as const) this.sum[what] += report[what]
    return report
  }

  /** `sweep`, while time passes. */
  async sweepNow(dryRun = false): Promise<SweepReport> {
    const ended: SweepReport[] = []
    void this.sweep(dryRun).then((report) => ended.push(report))
    while (ended.length === 0) await this.pass(1000)
    return ended[0] as SweepReport
  }

  async *#counting(pages: ReturnType<Instance['store']['due']>): ReturnType<Instance['store']['due']> {
    for await (const page of pages)
      yield page.map((due) => {
        const postpone = (untilMs: number) => {
          this.postponed++
          return due.postpone(untilMs)
        }
        return { ...due, postpone }
      })
  }

  async #sweepAgain(): Promise<void> {
    this.world.time.after(MINUTE_MS, () => void this.#sweepAgain())
    await this.sweep()
  }

  setRate(step: FakeStepName, everyMs: number): void {
    this.#everyMs[step] = everyMs
    this.#deliverNext(step)
  }

  #add(name: string, { task: { step } }: WaitingTask): void {
    this.#queueOf(step).names.push(name)
    this.#deliverNext(step)
  }

  #queueOf(step: string): StepQueue {
    const queue = this.#queues.get(step) ?? { names: [], freeAtMs: 0, isAwake: false }
    this.#queues.set(step, queue)
    return queue
  }

  #deliverNext(step: string): void {
    const { time } = this.world
    const queue = this.#queueOf(step)
    const everyMs = this.#everyMs[step] ?? 10
    if (queue.isAwake || queue.names.length === 0 || everyMs === Infinity) return
    queue.isAwake = true
    time.at(queue.freeAtMs, () => {
      queue.isAwake = false
      queue.freeAtMs = time.nowMs + everyMs
      void this.#deliver(queue.names.shift())
      this.#deliverNext(step)
    })
  }

  async #deliver(name = ''): Promise<void> {
    const { tasks } = this.world
    const waiting = tasks.waiting.get(name)
    if (waiting === undefined) return
    const { step } = waiting.task
    this.deliveries[step] = (this.deliveries[step] ?? 0) + 1
    tasks.begin(waiting)
    if (this.refuses(waiting)) return this.#deliverAgain(name, waiting, REFUSED_MS)
    const instance = new Instance(this.world)
    const { kind } = await instance.runner().run(waiting.workflowId, waiting.task, instance.signal)
    if (kind !== 'busy') return tasks.end(name)
    this.#deliverAgain(name, waiting, 1000)
  }

  #deliverAgain(name: string, waiting: WaitingTask, afterMs: number): void {
    const { tasks, time } = this.world
    tasks.putBack(waiting, time.nowMs + afterMs)
    time.after(afterMs, () => this.#add(name, waiting))
  }

  async #change(id: string, decide: (order: Order, nowMs: number) => Moved<Order>): Promise<void> {
    const { store, queue } = new Instance(this.world)
    const landed = await store.move(id, (order, nowMs) => decide(order, nowMs))
    await enqueueAll(queue, id, landed?.tasks ?? [])
  }
}

describe('a backlog', () => {
  test('of 1,000 workflows, one queue at a hundredth of its rate, costs no delivery more, and ends none', async () => {
    const backlog = new Backlog(1_000, { voice: 20_000 })
    await backlog.begin()
    // The last one waits for five and a half hours: far longer than after which a workflow without progress is stuck.
    for (let hour = 0; hour < 6 && backlog.count('ready') < 1_000; hour++) await backlog.pass(HOUR_MS)
    const { deliveries, sum, postponed } = backlog
    process.stdout.write(`${JSON.stringify({ deliveries, ...sum, postponed })}\n`)
    expect(backlog.count('ready')).toBe(1_000)
    expect(sum).toMatchObject({ requeued: 0, markedError: 0, failed: 0 })
    expect((deliveries['voice'] ?? 0) / 1_000).toBeLessThan(1.05)
    expect((deliveries['write'] ?? 0) / 1_000).toBeLessThan(1.05)
    // 165 minutes on average, for which one that is looked at each minute would be written as often.
    expect(postponed / 1_000).toBeLessThan(20)
    backlog.world.end()
  }, 120_000)
})

describe('a queue that is paused', () => {
  test('for a day ends nothing and is given nothing twice; resumed, it brings each task once', async () => {
    const backlog = new Backlog(20, { write: Infinity })
    await backlog.begin()
    await backlog.pass(24 * HOUR_MS)
    expect([backlog.count('processing'), backlog.outstanding('write'), backlog.deliveries['write']]).toEqual([
      20,
      20,
      undefined,
    ])
    expect(backlog.sum).toMatchObject({ requeued: 0, markedError: 0, failed: 0 })
    backlog.setRate('write', 10)
    await backlog.pass(HOUR_MS)
    expect([backlog.count('ready'), backlog.deliveries['write']]).toEqual([20, 20])
    backlog.world.end()
  })

  test('and is resumed where nobody takes its tasks at first ends nothing either', async () => {
    const backlog = new Backlog(20, { write: Infinity })
    await backlog.begin()
    await backlog.pass(24 * HOUR_MS)
    backlog.refuses = ({ task, deliveries }) => task.step === 'write' && deliveries < 30
    backlog.setRate('write', 10)
    await backlog.pass(HOUR_MS)
    expect([backlog.count('ready'), backlog.sum.requeued, backlog.sum.markedError]).toEqual([20, 0, 0])
    backlog.world.end()
  })

  test('and purged has lost its tasks, which is found out within a quarter of an hour', async () => {
    const backlog = new Backlog(20, { write: Infinity })
    await backlog.begin()
    await backlog.pass(HOUR_MS)
    for (const [name, { task }] of backlog.world.tasks.waiting) if (task.step === 'write') backlog.world.tasks.end(name)
    backlog.setRate('write', 10)
    await backlog.pass(17 * MINUTE_MS)
    expect([backlog.sum.requeued, backlog.count('ready')]).toEqual([20, 20])
    backlog.world.end()
  })
})

describe('a task that nobody takes, however often it is delivered', () => {
  test('ends its workflow once nothing has gone forward for too long, and is given no second one', async () => {
    const backlog = new Backlog(5, {})
    backlog.refuses = ({ task }) => task.step === 'write'
    await backlog.begin()
    await backlog.pass(2 * HOUR_MS)
    expect([backlog.count('processing'), backlog.outstanding('write'), backlog.sum.requeued]).toEqual([5, 5, 0])
    await backlog.pass(10 * MINUTE_MS)
    expect([backlog.count('error'), backlog.sum.requeued]).toEqual([5, 0])
    expect(backlog.orders[0]?.error?.code).toBe('stuck')
    backlog.world.end()
  })
})

describe('a task that is lost on its way in', () => {
  test('is found as soon as its step is stalled, also where others wait in the same queue', async () => {
    const backlog = new Backlog(20, { write: Infinity })
    let tasks = 0
    backlog.world.tasks.losesTask = () => tasks++ === 25
    await backlog.begin()
    const [lostAtMs] = [backlog.world.time.nowMs]
    while (backlog.sum.requeued === 0 && backlog.world.time.nowMs < lostAtMs + HOUR_MS) await backlog.pass(1000)
    // At the first sweep after 150 s, and the time that the step before it took.
    expect(backlog.world.time.nowMs - lostAtMs).toBeLessThan(RULES.stalledStepMs + 2 * MINUTE_MS)
    await backlog.pass(HOUR_MS)
    expect([backlog.sum.requeued, backlog.outstanding('write')]).toEqual([1, 20])
    backlog.world.end()
  })
})

describe('a queue that cannot be asked', () => {
  test('is given nothing and ends nothing, is told of once a sweep, and is asked again by the next one', async () => {
    const backlog = new Backlog(20, { write: Infinity })
    await backlog.begin()
    await backlog.pass(MINUTE_MS)
    backlog.answers = false
    await backlog.pass(3 * HOUR_MS)
    expect([backlog.count('processing'), backlog.outstanding('write'), backlog.sum.requeued]).toEqual([20, 20, 0])
    const before = backlog.told.filter((line) => line === 'ERROR sweep.queue_silent').length
    const report = await backlog.sweepNow(true)
    expect(report).toMatchObject({ checked: 20, failed: 1, requeued: 0, markedError: 0 })
    expect(report.workflows[0]?.reason).toBe('nobody knows where the task of write is')
    expect(backlog.told.filter((line) => line === 'ERROR sweep.queue_silent')).toHaveLength(before + 1)
    backlog.answers = true
    expect(await backlog.sweepNow()).toMatchObject({ checked: 20, failed: 0, requeued: 0, markedError: 0 })
    expect(await backlog.sweepNow()).toMatchObject({ checked: 0 })
    backlog.world.end()
  })
})
