import type { Attempt } from '../../../shared/engine/attempt.ts'
import { failureOfEngine, JobEnded, StepRefused } from '../../../shared/engine/failure.ts'
import type { Failure } from '../../../shared/engine/failure.ts'
import type { EngineSettings } from '../../../shared/engine/limits.ts'
import type { Clock, TaskQueue, WorkflowStore } from '../../../shared/engine/ports.ts'
import { StepRunner } from '../../../shared/engine/runner.ts'
import type { RunnerOptions } from '../../../shared/engine/runner-options.ts'
import { StoreClock } from '../../../shared/store/store-clock.ts'
import { VirtualTime } from '../virtual-time.ts'
import { FAKE_PIPELINE, FAKE_PROVIDERS, newOrder } from './fake-pipeline.ts'
import type { FakeTools, Order } from './fake-pipeline.ts'
import { FakeVendors } from './fake-vendors.ts'
import { MemoryTasks } from './memory-queue.ts'
import { MemoryWorkflows } from './memory-store.ts'
import { NOT_ACCEPTED } from './order-fixtures.ts'

export const SETTINGS: EngineSettings = {
  stepLeaseMs: 20_000,
  stalledStepMs: 150_000,
  stuckAfterMs: 7_200_000,
  deadlineMs: 86_400_000,
  orphanAgeMs: 86_400_000,
  fallbackAfterMs: 120_000,
  upgradeAfterMs: 300_000,
}
export const RULES = { ...SETTINGS, mayHoldFiles: () => false }

/** How often, of all the times it could, something goes wrong; and how long things take, in ms. */
export type Weather = {
  crash: number
  freeze: number
  taskLoss: number
  storeAway: number
  answerLost: number
  vendorTrouble: number
  garbled: number
  interrupt: number
  /** One way, to a store or queue. */
  latencyMs: number
  /** Of a call or job, at most. */
  workMs: number
  /** Of what precedes a step's first request, at most. */
  prepareMs: number
}
export const FAIR: Weather = {
  crash: 0,
  freeze: 0,
  taskLoss: 0,
  storeAway: 0,
  answerLost: 0,
  vendorTrouble: 0,
  garbled: 0,
  interrupt: 0,
  latencyMs: 20,
  workMs: 60_000,
  prepareMs: 0,
}

/** A vendor that cannot be used just now. */
export class VendorAway extends Error {
  readonly provider: string
  readonly sent: boolean
  readonly ambiguous: boolean

  constructor(provider: string, sent: boolean, ambiguous: boolean) {
    super(`${provider} is away`)
    this.provider = provider
    this.sent = sent
    this.ambiguous = ambiguous
  }
}

/** A vendor has answered, and charged for, what nobody can read. */
export class VendorGarbled extends Error {
  readonly provider: string

  constructor(provider: string) {
    super(`${provider} answered with nothing of use`)
    this.provider = provider
  }
}

/** The store or the queue does not answer. */
export class StoreAway extends Error {}

function explain(error: unknown): Failure {
  if (error instanceof VendorAway) {
    const { provider: service, sent, ambiguous, message: technical } = error
    return { kind: 'away', service, sent, ambiguous, retryAfterMs: 0, technical }
  }
  if (error instanceof VendorGarbled)
    return { kind: 'unreadable', service: error.provider, technical: error.message, cost: { calls: 1 } }
  if (error instanceof StoreAway)
    return { kind: 'away', service: 'store', sent: true, ambiguous: false, retryAfterMs: 0, technical: 'store away' }
  return failureOfEngine(error) ?? { kind: 'unexpected', ambiguous: false }
}

/** One workflow, its store, its queue and its vendors, in virtual time and any weather. */
export class World {
  readonly time = new VirtualTime()
  readonly workflows = new MemoryWorkflows<Order>(FAKE_PIPELINE, RULES)
  readonly tasks = new MemoryTasks(() => this.time.nowMs)
  readonly vendors: FakeVendors
  readonly random: () => number
  weather: Weather
  /** By vendor, until when it is away for everybody. */
  readonly outages = new Map<string, number>()
  crashes = 0
  events: string[] = []
  /** Every process there was, the killed and the frozen as well. */
  readonly instances: Instance[] = []
  #ids = 0

  constructor(random: () => number, weather: Weather = FAIR) {
    this.random = random
    this.weather = weather
    this.vendors = new FakeVendors(
      () => this.time.nowMs,
      () => this.random() * this.weather.workMs,
    )
    this.tasks.losesTask = () => this.odds('taskLoss')
    this.workflows.create(newOrder())
  }

  odds(what: keyof Weather): boolean {
    const share = this.weather[what]
    return share > 0 && this.random() < share
  }

  get order(): Order {
    const order = this.workflows.read('o1')
    if (order === undefined) throw new Error('the workflow is gone')
    return order
  }

  newId(): string {
    return `${++this.#ids}`.padStart(8, '0')
  }

  /** Ends whatever still waits: Node keeps a signal that somebody listens to until it is aborted. */
  end(): void {
    for (const instance of this.instances) instance.interrupt()
  }
}

/** How far the wall clock of an instance may be from the store's. */
const SKEW_MS = 6 * 3_600_000
const FREEZE_MS_MAX = 90_000
const OUTAGE_MS_MAX = 15 * 60_000

/** A process that serves one request: it can be killed, frozen and shut down at every await. */
export class Instance {
  readonly world: World
  readonly store: WorkflowStore<Order>
  readonly queue: TaskQueue
  readonly clock: Clock
  readonly #shutdown = new AbortController()
  #alive = true
  #frozenUntilMs = 0

  constructor(world: World) {
    this.world = world
    world.instances.push(this)
    const skewMs = world.weather === FAIR ? 0 : (world.random() * 2 - 1) * SKEW_MS
    // When it was started is nobody else's concern.
    const startedMs = world.time.nowMs - Math.abs(skewMs)
    const monotonicMs = () => world.time.nowMs - startedMs
    this.store = world.workflows.open({
      nowMs: () => world.time.nowMs,
      clock: new StoreClock({
        moment: () => ({ monotonicMs: monotonicMs(), wallMs: world.time.nowMs + skewMs }),
      }),
      pace: { clock: { after: (ms, run) => this.#later(ms, run) }, random: world.random },
      passing: this.passing,
      losesAnswer: () => world.odds('answerLost'),
    })
    this.queue = world.tasks.open(this.passing)
    this.clock = {
      monotonicMs,
      sleep: (delayMs) => new Promise((resolve) => void this.#later(delayMs, resolve)),
      every: (periodMs, callback) => this.#every(periodMs, callback),
    }
  }

  get signal(): AbortSignal {
    return this.#shutdown.signal
  }

  kill(): void {
    this.#alive = false
  }

  freeze(forMs: number): void {
    this.#frozenUntilMs = this.world.time.nowMs + forMs
  }

  interrupt(): void {
    this.#shutdown.abort(new Error('the instance is ending'))
  }

  /** One await of the world: anything else may happen meanwhile, and this process may not live to see the answer. */
  readonly passing = (point: 'ask' | 'answer'): Promise<void> =>
    new Promise((resolve, reject) => {
      const { world } = this
      this.#later(world.random() * world.weather.latencyMs, () => {
        this.#strike()
        this.#later(0, () => (world.odds('storeAway') ? reject(new StoreAway(`${point}: no answer`)) : resolve()))
      })
    })

  /** Something of some length, which ends early when its signal aborts. */
  lasting({ signal }: Attempt<Order>, most: 'workMs' | 'prepareMs'): Promise<void> {
    return new Promise((resolve, reject) => {
      const { world } = this
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
      this.#later(world.random() * world.weather[most], () => {
        this.#strike()
        this.#later(0, resolve)
      })
    })
  }

  async prepare(attempt: Attempt<Order>): Promise<void> {
    if (this.world.weather.prepareMs > 0) await this.lasting(attempt, 'prepareMs')
  }

  runner(more: Partial<RunnerOptions<Order, FakeTools>> = {}): StepRunner<Order, FakeTools> {
    const { world } = this
    return new StepRunner<Order, FakeTools>({
      pipeline: FAKE_PIPELINE,
      store: this.store,
      queue: this.queue,
      clock: this.clock,
      random: world.random,
      newId: () => world.newId(),
      newWebhookToken: () => 'token',
      settings: SETTINGS,
      providersOf: (step) => FAKE_PROVIDERS[step] ?? [],
      allowsFallback: () => true,
      wantsUpgrade: () => true,
      explain,
      afterStale: async () => undefined,
      tell: (_severity, event) => void world.events.push(event),
      tools: {
        vendors: world.vendors,
        passing: this.passing,
        preparing: (attempt) => this.prepare(attempt),
        working: (attempt) => this.lasting(attempt, 'workMs'),
        trouble: (attempt) => makeTrouble(world, attempt),
        garbled: ({ provider = 'nobody' }) => {
          if (world.odds('garbled')) throw new VendorGarbled(provider)
        },
      },
      ...more,
    })
  }

  #strike(): void {
    const { world } = this
    if (world.odds('crash')) {
      world.crashes++
      this.kill()
    } else if (world.odds('freeze')) this.freeze(world.random() * FREEZE_MS_MAX)
    else if (world.odds('interrupt')) this.interrupt()
  }

  /** Goes on later, as long as it lives, and not while it is frozen. */
  #later(delayMs: number, run: () => void): () => void {
    let stopped = false
    const go = () => {
      if (stopped || !this.#alive) return
      const { time } = this.world
      if (this.#frozenUntilMs > time.nowMs) time.at(this.#frozenUntilMs, go)
      else run()
    }
    this.world.time.after(delayMs, go)
    return () => void (stopped = true)
  }

  #every(periodMs: number, callback: () => void): () => void {
    let stopped = false
    const again = () => {
      if (stopped) return
      callback()
      this.#later(periodMs, again)
    }
    this.#later(periodMs, again)
    return () => void (stopped = true)
  }
}

/** What may go wrong at a vendor: this once, or for everybody who asks for a while. */
function makeTrouble(world: World, { name, provider = 'nobody' }: Attempt<Order>): void {
  const { time, outages } = world
  if ((outages.get(provider) ?? 0) > time.nowMs) throw new VendorAway(provider, world.random() < 0.5, false)
  if (!world.odds('vendorTrouble')) return
  const kind = world.random()
  if (kind < 0.3) outages.set(provider, time.nowMs + world.random() * OUTAGE_MS_MAX)
  if (kind < 0.7) throw new VendorAway(provider, world.random() < 0.5, world.random() < 0.1)
  if (kind < 0.8) throw new StepRefused(NOT_ACCEPTED, { canPass: world.random() < 0.5 })
  if (kind < 0.9 && (name === 'transcribe' || name === 'master')) throw new JobEnded('it ended')
  throw new Error('a defect of ours')
}
