import { enqueueAll } from '../../../shared/engine/enqueue.ts'
import { sweep } from '../../../shared/engine/sweep/sweep.ts'
import { outstandingTasks } from '../../../shared/engine/transitions/moved.ts'
import type { Moved } from '../../../shared/engine/transitions/moved.ts'
import { bring, cancel, start } from '../../../shared/engine/transitions/owner.ts'
import { inGeneration, upgradeAtMs, viewCurrent } from '../../../shared/engine/transitions/upgrade.ts'
import type { StepTask } from '../../../shared/engine/task.ts'
import { hasten } from '../../../shared/engine/transitions/webhook.ts'
import type { WorkflowStatus } from '../../../shared/engine/workflow.ts'
import { taskId } from '../../../shared/tasks/step-queue.ts'
import { seededRandom } from '../seeded-random.ts'
import { FAKE_PIPELINE, FAKE_PROVIDERS, FAKE_STEPS } from './fake-pipeline.ts'
import type { Order } from './fake-pipeline.ts'
import type { Landed } from './memory-store.ts'
import { FAIR, Instance, RULES, World } from './world.ts'

/** What one seeded life of a workflow went through, and which promises were broken: none may be. */
export type Life = {
  broken: string[]
  status: WorkflowStatus
  claims: number
  fenced: number
  crashes: number
  lostWrites: number
  duplicates: number
  cancels: number
  requeues: number
  fallbacks: number
  upgrades: number
  brought: number
  interrupted: number
  pauses: number
}

const TROUBLED_MS = 30 * 60_000
const SWEEP_EVERY_MS = 60_000
/** Longer than after which a workflow without progress is stuck. */
const PAUSE_MS_MAX = 4 * 3_600_000
/** How long a task must have lain untouched for another beside it to be a fault. */
const UNTOUCHED_MS = 120_000
/** By then everything is well, or never will be. */
const LIFE_MS_MAX = 3 * 86_400_000
/** One call that is charged, and one repeat of it whose end nobody saw, whatever the product says. */
const CALLS_MOST = 2

/**
 * Lives one workflow with the deployed runner and the deployed sweep: tasks come twice, late and out of order; instances
 * whose clocks are hours apart crash, freeze and end at every await; answers are lost; vendors fail; the owner cancels, retries
 * and brings results; webhooks come and go; tasks are lost; queues are paused, for hours. After half an hour of that,
 * only the honest rest goes on.
 * @param prepareMs of what precedes a step's first request, at most
 */
export async function liveOnce(seed: number, prepareMs = 30_000): Promise<Life> {
  const random = seededRandom(seed)
  const weather = {
    crash: random() * 0.03,
    freeze: random() * 0.02,
    taskLoss: random() * 0.15,
    storeAway: random() * 0.02,
    answerLost: random() * 0.05,
    vendorTrouble: random() * 0.2,
    garbled: random() * 0.2,
    interrupt: random() * 0.01,
    latencyMs: 200,
    workMs: 90_000,
    prepareMs,
  }
  return new LivedWorkflow(new World(random, weather)).live()
}

class LivedWorkflow {
  readonly #world: World
  readonly #life: Life
  #readyTimes = 0
  /** By attempt, until when the store has its lease. */
  readonly #leasedUntilMs = new Map<string, number>()
  /** Calls that were about to be made, and attempts that have sent something. */
  readonly #recorded: { readonly token: string; readonly provider: string }[] = []
  readonly #sent = new Set<string>()
  /** By step, until when its queue is paused. */
  readonly #pausedUntilMs = new Map<string, number>()

  constructor(world: World) {
    this.#world = world
    const none = { claims: 0, fenced: 0, crashes: 0, lostWrites: 0, duplicates: 0, cancels: 0, requeues: 0 }
    const more = { fallbacks: 0, upgrades: 0, brought: 0, interrupted: 0, pauses: 0 }
    this.#life = { broken: [], status: 'draft', ...none, ...more }
    world.workflows.onLanded = (landed) => this.#check(landed)
    world.vendors.onSent = (token) => this.#checkSending(token)
    world.tasks.onAdded = (name, { dueMs }) => void world.time.at(dueMs, () => void this.#deliver(name))
  }

  async live(): Promise<Life> {
    const { time } = this.#world
    this.#act('process')
    time.after(SWEEP_EVERY_MS, () => this.#sweepAgain())
    this.#troubleOwner()
    this.#troubleQueues()
    await time.run(TROUBLED_MS)
    const { latencyMs, workMs, prepareMs } = this.#world.weather
    this.#world.weather = { ...FAIR, latencyMs, workMs, prepareMs }
    while (time.nowMs < LIFE_MS_MAX && !this.#isOver()) {
      const { status } = this.#world.order
      if (status === 'draft') this.#act('process')
      else if (status === 'error' || status === 'cancelled') this.#act('retry')
      await time.run(time.nowMs + 5 * SWEEP_EVERY_MS)
    }
    const life = this.#sumUp()
    this.#world.end()
    return life
  }

  #isOver(): boolean {
    const { order } = this.#world
    return order.status === 'ready' && order.upgrade === undefined && upgradeAtMs(order) === undefined
  }

  /** Every change that lands, and who made it. */
  #check({ before, after, cause }: Landed<Order>): void {
    if (after.status === 'ready' && before.status !== 'ready') this.#readyTimes++
    if (before.status === 'ready' && after.status !== 'ready') this.#break('a ready workflow was taken back')
    if (before.upgrade !== undefined && after.generation === before.upgrade.generation) this.#life.upgrades++
    for (const { lease } of Object.values(viewCurrent(after).steps))
      if (lease !== undefined) this.#leasedUntilMs.set(lease.token, lease.untilMs)
    const callers = new Set(Object.values(viewCurrent(before).steps).map(({ paid }) => paid?.by))
    for (const { paid, lease, provider } of Object.values(viewCurrent(after).steps))
      if (paid?.by !== undefined && paid.by === lease?.token && !callers.has(paid.by))
        this.#recorded.push({ token: paid.by, provider: provider ?? '' })
    const [who, token = ''] = (cause?.by ?? '').split(' ')
    if (who !== 'attempt') return
    const holds = ({ steps }: Pick<Order, 'steps'>) =>
      Object.values(steps).some(({ lease }) => lease?.token.startsWith(token) === true)
    if (!holds(viewCurrent(before)) && !holds(viewCurrent(after)) && workOf(before) !== workOf(after)) {
      // A step of an older generation is nobody's, even where its document still names a holder.
      this.#break(`a write by attempt ${token}, which held no step, was accepted`)
    }
  }

  /** Whoever sends what may be charged has a lease that has not ended, by the clock of the store. */
  #checkSending(token: string): void {
    this.#sent.add(token)
    const untilMs = this.#leasedUntilMs.get(token) ?? -Infinity
    if (this.#world.time.nowMs >= untilMs) this.#break(`a request was sent by attempt ${token}, whose lease had ended`)
  }

  /** Delivers a task as long as it is not carried out; now and then to two at once. */
  async #deliver(name: string): Promise<void> {
    const { tasks, time, random } = this.#world
    const waiting = tasks.waiting.get(name)
    if (waiting === undefined) return
    const pausedUntilMs = this.#pausedUntilMs.get(waiting.task.step) ?? 0
    if (pausedUntilMs > time.nowMs) return void time.at(pausedUntilMs, () => void this.#deliver(name))
    tasks.begin(waiting)
    const againMs = time.nowMs + 30_000 + random() * 30_000
    const again = time.at(againMs, () => {
      tasks.putBack(waiting, againMs)
      void this.#deliver(name)
    })
    if (this.#troubled && random() < 0.1) {
      this.#life.duplicates++
      void this.#run(name)
    }
    const carriedOut = await this.#run(name)
    waiting.touchedMs = time.nowMs
    if (!carriedOut && waiting.dueMs < againMs) tasks.putBack(waiting, againMs)
    if (!carriedOut) return
    again()
    tasks.end(name)
  }

  /** @returns whether the task need not come again; never, when its instance does not live to say so */
  async #run(name: string): Promise<boolean> {
    const waiting = this.#world.tasks.waiting.get(name)
    if (waiting === undefined) return true
    const instance = new Instance(this.#world)
    try {
      const { kind: outcome } = await instance.runner().run(waiting.workflowId, waiting.task, instance.signal)
      if (outcome === 'fenced') this.#life.fenced++
      if (outcome === 'interrupted') this.#life.interrupted++
      return outcome !== 'busy' && outcome !== 'interrupted'
    } catch {
      return false
    }
  }

  get #troubled(): boolean {
    return this.#world.time.nowMs < TROUBLED_MS
  }

  #sweepAgain(): void {
    const { time, random, order } = this.#world
    time.after(SWEEP_EVERY_MS, () => this.#sweepAgain())
    if ((order.sweepAtMs ?? Infinity) > time.nowMs) return
    void this.#sweep()
    if (this.#troubled && random() < 0.2) void this.#sweep()
  }

  async #sweep(): Promise<void> {
    const instance = new Instance(this.#world)
    const { store, queue } = instance
    const { time } = this.#world
    const enqueue: typeof queue.enqueue = (id, task) => {
      this.#checkRequeue(id, task)
      return queue.enqueue(id, task)
    }
    const report = await sweep<Order>(
      {
        pipeline: FAKE_PIPELINE,
        store,
        queue: { ...queue, enqueue },
        rules: RULES,
        now: () => time.nowMs,
        newId: () => this.#world.newId(),
        tell: () => undefined,
        findLastResult: async () => undefined,
        remove: async () => undefined,
        tidy: async () => undefined,
        save: async () => undefined,
      },
      { dryRun: false },
      instance.signal,
    ).catch(() => undefined)
    this.#life.requeues += report?.requeued ?? 0
  }

  /** The sweep makes no second task beside one that lies in its queue. */
  #checkRequeue(id: string, task: StepTask): void {
    const { tasks, time } = this.#world
    const before = tasks.waiting.get(taskId(id, { ...task, dispatch: task.dispatch - 1 }))
    if (before === undefined || before.deliveringSinceMs !== undefined) return
    if (time.nowMs - Math.max(before.dueMs, before.touchedMs ?? 0) > UNTOUCHED_MS)
      this.#break(`${task.step} was enqueued again beside a task that waited`)
  }

  /** Operators pause queues at random moments of the first half hour, and resume them later. */
  #troubleQueues(): void {
    const { time, random } = this.#world
    if (!this.#troubled) return
    time.after(random() * 20 * 60_000, () => this.#troubleQueues())
    if (random() < 0.8) return
    const step = FAKE_STEPS[Math.floor(random() * FAKE_STEPS.length)] ?? 'write'
    this.#life.pauses++
    this.#pausedUntilMs.set(step, time.nowMs + random() ** 3 * PAUSE_MS_MAX)
  }

  /** An owner, and webhooks, at random moments of the first half hour. */
  #troubleOwner(): void {
    const { time, random } = this.#world
    if (!this.#troubled) return
    time.after(random() * 120_000, () => this.#troubleOwner())
    const kind = random()
    if (kind < 0.06) this.#act('cancel')
    else if (kind < 0.1) this.#act('bring')
    else if (kind < 0.6) this.#act(random() < 0.5 ? 'retry' : 'process')
    else void this.#hasten(random() < 0.5 ? 'transcribe' : 'master')
  }

  #act(request: 'process' | 'retry' | 'cancel' | 'bring'): void {
    if (request === 'cancel') this.#life.cancels++
    if (request === 'bring') this.#life.brought++
    void this.#change((order, nowMs) => actionOf(order, request, nowMs))
  }

  #hasten(step: string): Promise<void> {
    return this.#change((order, nowMs) =>
      inGeneration(order, viewCurrent(order).generation, (view) => hasten(FAKE_PIPELINE, view, { step }, nowMs)),
    )
  }

  async #change(decide: (order: Order, nowMs: number) => Moved<Order> | undefined): Promise<void> {
    const { store, queue } = new Instance(this.#world)
    try {
      const landed = await store.move('o1', (order, nowMs) => {
        const moved = decide(order, nowMs)
        return { next: moved?.next === order ? undefined : moved?.next, tasks: moved?.tasks ?? [] }
      })
      await enqueueAll(queue, 'o1', landed?.tasks ?? [])
    } catch {
      // Whoever asked hears that it failed, and asks again.
    }
  }

  #sumUp(): Life {
    const { order, vendors, workflows, crashes, events } = this.#world
    const life = this.#life
    life.status = order.status
    life.crashes = crashes
    life.lostWrites = workflows.lostWrites
    life.claims = events.filter((event) => event === 'step.started').length
    life.fallbacks = events.filter((event) => event === 'step.fell_back').length
    if (order.status !== 'ready')
      this.#break(`it ended ${order.status}: ${JSON.stringify(FAKE_STEPS.map((name) => order.steps[name]?.state))}`)
    if (order.upgrade !== undefined) this.#break('an upgrade was left behind')
    if (this.#readyTimes !== 1) this.#break(`it became ready ${this.#readyTimes} times`)
    for (const [name, times] of vendors.calls) if (times > CALLS_MOST) this.#break(`call ${times} of ${name} was made`)
    for (const step of ['write', 'voice']) {
      const counted = order.steps[step]?.paid?.calls ?? 0
      const made = vendors.callsOfStep[step] ?? 0
      if (made > counted && order.steps[step]?.paid !== undefined)
        this.#break(`${made} calls of ${step}, ${counted} counted`)
    }
    const callable = Object.values(FAKE_PROVIDERS)
      .flat()
      .filter(({ kind }) => kind === 'call')
    for (const { name: provider } of callable) {
      const { calls = 0 } = order.costs?.[provider] ?? {}
      const charged = [...vendors.calls].filter(([name]) => name.endsWith(`-${provider}`))
      const made = charged.reduce((sum, [, times]) => sum + times, 0)
      const unsent = this.#recorded.filter((one) => one.provider === provider && !this.#sent.has(one.token)).length
      if (calls < made || calls > made + unsent)
        this.#break(`${calls} calls of ${provider} were told, ${made} made, and ${unsent} recorded without being made`)
    }
    return life
  }

  #break(words: string): void {
    this.#life.broken.push(`${words} at ${Math.round(this.#world.time.nowMs)} ms`)
  }
}

function actionOf(
  order: Order,
  request: 'process' | 'retry' | 'cancel' | 'bring',
  nowMs: number,
): Moved<Order> | undefined {
  const { status, generation } = order
  switch (request) {
    case 'process':
      return status === 'draft'
        ? start(FAKE_PIPELINE, order, {}, nowMs)
        : { next: order, tasks: outstandingTasks(order, generation) }
    case 'retry':
      return status === 'error' || status === 'cancelled' ? start(FAKE_PIPELINE, order, {}, nowMs) : undefined
    case 'cancel':
      return status === 'processing' ? cancel(FAKE_PIPELINE, order, {}, nowMs) : undefined
    case 'bring':
      return status === 'processing' || status === 'error'
        ? bring(FAKE_PIPELINE, { ...order, brought: true }, { step: 'transcribe' }, nowMs)
        : undefined
  }
}

/** A workflow but for what its calls have cost: all that an attempt without its step may still put right. */
function workOf(order: Order): string {
  const callsAside = (_key: string, value: unknown) => {
    const isStep = typeof value === 'object' && value !== null && 'dispatch' in value
    return isStep ? { ...value, paid: undefined } : value
  }
  return JSON.stringify({ ...order, costs: undefined, updatedAtMs: 0, sweepAtMs: 0 }, callsAside)
}
