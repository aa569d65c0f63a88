import { enqueueAll } from '../../../shared/engine/enqueue.ts'
import type { TaskEnd } from '../../../shared/engine/runner.ts'
import type { RunnerOptions } from '../../../shared/engine/runner-options.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import { stepOf } from '../../../shared/engine/workflow.ts'
import type { Step } from '../../../shared/engine/workflow.ts'
import { seededRandom } from '../seeded-random.ts'
import { FAKE_PIPELINE } from './fake-pipeline.ts'
import type { FakeStepName, FakeTools, Order } from './fake-pipeline.ts'
import { FAIR, Instance, SETTINGS, World } from './world.ts'

export type RunnerPart = Partial<RunnerOptions<Order, FakeTools>>
type Delivery = {
  readonly instance: Instance
  readonly ended: Promise<TaskEnd | { kind: 'threw'; error: unknown }>
}

/** One workflow on a quiet day, delivered by hand. */
export class ByHand {
  readonly world: World

  constructor(seed = 1) {
    this.world = new World(seededRandom(seed), FAIR)
  }

  /** Starts the workflow, and carries out every step before `step`. */
  async upTo(step: FakeStepName): Promise<void> {
    const { store, queue } = new Instance(this.world)
    await this.#finish(
      store
        .move('o1', (order, nowMs) => start(FAKE_PIPELINE, order, {}, nowMs))
        .then((landed) => enqueueAll(queue, 'o1', landed?.tasks ?? [])),
    )
    for (const { name } of FAKE_PIPELINE) {
      if (name === step) return
      while (this.step(name).state !== 'done') {
        await this.passUntil(this.step(name).nextCheckAtMs ?? 0)
        await this.carryOut(name)
      }
    }
  }

  step(name: FakeStepName): Step {
    return stepOf(this.world.order, name)
  }

  /** Delivers the newest task of a step to an instance of its own. */
  deliver(step: FakeStepName, more: RunnerPart | ((instance: Instance) => RunnerPart) = {}): Delivery {
    const task = [...this.world.tasks.waiting.values()].map((one) => one.task).findLast((one) => one.step === step)
    if (task === undefined) throw new Error(`there is no task for ${step}`)
    const instance = new Instance(this.world)
    const runner = instance.runner(typeof more === 'function' ? more(instance) : more)
    const ended = runner.run('o1', task, instance.signal).catch((error: unknown) => ({ kind: 'threw' as const, error }))
    return { instance, ended }
  }

  /** Delivers it, and lets time pass until it has ended. */
  async carryOut(step: FakeStepName, more: RunnerPart | ((instance: Instance) => RunnerPart) = {}) {
    return this.#finish(this.deliver(step, more).ended)
  }

  /** How a delivery has ended by now. @throws when it goes on: no more time passes for it to end in */
  async endOf({ ended }: Delivery) {
    let done = false
    void ended.then(() => (done = true))
    await this.pass(0)
    if (!done) throw new Error('the delivery has not ended')
    return ended
  }

  /** Lets time pass, ms by ms, until something holds. */
  async passWhile(holds: () => boolean): Promise<void> {
    const sinceMs = this.world.time.nowMs
    while (holds()) {
      if (this.world.time.nowMs - sinceMs > 600_000) throw new Error('it still holds after ten minutes')
      await this.pass(1)
    }
  }

  async pass(ms: number): Promise<void> {
    await this.world.time.run(this.world.time.nowMs + ms)
  }

  async passUntil(timeMs: number): Promise<void> {
    await this.world.time.run(Math.max(this.world.time.nowMs, timeMs))
  }

  async #finish<T>(work: Promise<T>): Promise<T> {
    let done = false
    void work.finally(() => (done = true)).catch(() => undefined)
    for (let seconds = 0; !done && seconds < 600; seconds++) await this.pass(1_000)
    if (!done) throw new Error('it has not ended after ten minutes')
    return work
  }
}

export const withTools = (instance: Instance, more: Partial<FakeTools>): RunnerPart => ({
  tools: {
    vendors: instance.world.vendors,
    passing: instance.passing,
    preparing: (attempt) => instance.prepare(attempt),
    working: (attempt) => instance.lasting(attempt, 'workMs'),
    trouble: () => undefined,
    garbled: () => undefined,
    ...more,
  },
})
/** A vendor that fails each request in this way. */
export const failing = (makeError: () => Error) => (instance: Instance) =>
  withTools(instance, {
    trouble: () => {
      throw makeError()
    },
  })
/** A call or a piece of work that takes exactly so long, and says so before. */
export const lasting = (ms: number) => (instance: Instance) =>
  withTools(instance, {
    working: (attempt) =>
      new Promise((resolve, reject) => {
        attempt.signal.addEventListener('abort', () => reject(attempt.signal.reason as Error), { once: true })
        attempt.call.progress?.expectQuiet(ms)
        void instance.clock.sleep(ms).then(resolve)
      }),
  })

export async function opened(step: FakeStepName, seed?: number): Promise<ByHand> {
  const bench = new ByHand(seed)
  await bench.upTo(step)
  return bench
}
export const countEvents = ({ world }: ByHand, event: string) => world.events.filter((one) => one === event).length
export const LEASE_MS = SETTINGS.stepLeaseMs
