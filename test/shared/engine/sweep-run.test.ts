import { describe, expect, test } from 'vitest'

import { sweep } from '../../../shared/engine/sweep/sweep.ts'
import type { SweepOptions, SweepReport } from '../../../shared/engine/sweep/sweep.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import { VirtualTime } from '../virtual-time.ts'
import { FAKE_PIPELINE, newOrder } from './fake-pipeline.ts'
import type { Order } from './fake-pipeline.ts'
import { MemoryTasks } from './memory-queue.ts'
import { MemoryWorkflows } from './memory-store.ts'
import { RULES } from './world.ts'

/** When everything that was started at 0 and left alone is stalled, and nothing is stuck. */
const STALLED_MS = 200_000
const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** A store full of workflows, and sweeps over it in virtual time. */
class Yard {
  readonly time = new VirtualTime()
  readonly workflows = new MemoryWorkflows<Order>(FAKE_PIPELINE, { ...RULES, mayHoldFiles: () => true })
  readonly tasks = new MemoryTasks(() => this.time.nowMs)
  readonly ids: string[] = []
  /** What sweeps did beside moving workflows, in order. */
  readonly deeds: string[] = []
  readonly told: string[] = []
  /** How long one operation of the store takes. */
  storeMs = 10
  /** Workflows whose files and jobs cannot be reached. */
  readonly outOfReach = new Set<string>()
  #ids = 0

  add(count: number, make: (order: Order) => Order): string[] {
    const added = Array.from({ length: count }, (_, i) => `o${`${this.ids.length + i}`.padStart(4, '0')}`)
    for (const id of added) {
      this.ids.push(id)
      this.workflows.create(make(newOrder(id)))
    }
    return added
  }

  /** Everything that is stored, as it is. */
  get stored(): (Order | undefined)[] {
    return this.ids.map((id) => this.workflows.read(id))
  }

  async sweep({ dryRun = false, signal = new AbortController().signal } = {}): Promise<SweepReport> {
    let report: SweepReport | undefined
    const ended = sweep(this.#options(), { dryRun }, signal).then((done) => (report = done))
    while (report === undefined) await Promise.race([ended, this.time.run(this.time.nowMs + 1000)])
    return ended
  }

  #reach(id: string): undefined {
    if (this.outOfReach.has(id)) throw new Error('storage is away')
  }

  #options(): SweepOptions<Order> {
    const { time, workflows, tasks, deeds } = this
    const store = workflows.open({
      nowMs: () => time.nowMs,
      pace: { clock: { after: (ms, run) => time.after(ms, run) }, random: () => 0 },
      passing: () => time.sleep(this.storeMs),
      losesAnswer: () => false,
    })
    return {
      pipeline: FAKE_PIPELINE,
      store,
      queue: tasks.open(() => Promise.resolve()),
      rules: { ...RULES, mayHoldFiles: () => true },
      now: () => time.nowMs,
      newId: () => `${++this.#ids}`.padStart(8, '0'),
      tell: (severity, event, { workflowId }) => void this.told.push([severity, event, workflowId].join(' ').trim()),
      findLastResult: async ({ id }) => this.#reach(id),
      remove: async (id) => {
        this.#reach(id)
        deeds.push(`remove ${id}`)
      },
      tidy: async (id) => void deeds.push(`tidy ${id}`),
      save: async (id) => void deeds.push(`save ${id}`),
    }
  }
}

/** With nothing left to do but the last step. */
function lastStepBegun(order: Order): Order {
  const { steps, ...rest } = begun(order)
  const done = Object.keys(steps).map((name) => [name, { state: 'done', attempt: 1, dispatch: 1 }])
  const finish = { state: 'pending', attempt: 0, dispatch: 1, nextCheckAtMs: 0 }
  return { ...rest, steps: { ...Object.fromEntries(done), finish } }
}

const begun = (order: Order) => start(FAKE_PIPELINE, order, {}, 0).next
const deleted = (order: Order): Order => ({ ...begun(order), deletedAtMs: 0 })
const failed = (order: Order): Order => ({ ...order, status: 'error', updatedAtMs: 0 })

async function yardAt(nowMs: number): Promise<Yard> {
  const yard = new Yard()
  await yard.time.run(nowMs)
  return yard
}

describe('a sweep', () => {
  test('sees to all that is due, page after page, and records what it did', async () => {
    const yard = await yardAt(STALLED_MS)
    yard.add(250, begun)
    const report = await yard.sweep()
    expect(report).toMatchObject({ checked: 250, stuck: 250, requeued: 250, failed: 0, more: false, dryRun: false })
    expect([...yard.tasks.waiting.values()].map(({ workflowId }) => workflowId).toSorted()).toEqual(yard.ids)
    expect(yard.deeds).toEqual([`save ${report.sweepId}`])
    expect(await yard.sweep()).toMatchObject({ checked: 0, requeued: 0 })
  })

  test('begins no page after 50 s, says that there is more, and the next one goes on', async () => {
    const yard = await yardAt(STALLED_MS)
    yard.add(250, begun)
    // A page of a hundred, eight at a time, takes 52 s.
    yard.storeMs = 2_000
    const startedAtMs = yard.time.nowMs
    expect(await yard.sweep()).toMatchObject({ checked: 100, requeued: 100, more: true })
    expect(yard.time.nowMs - startedAtMs).toBeLessThan(MINUTE_MS)
    expect(await yard.sweep()).toMatchObject({ checked: 100, requeued: 100, more: true })
    expect(await yard.sweep()).toMatchObject({ checked: 50, requeued: 50, more: false })
  })

  test('begins another page before that', async () => {
    const yard = await yardAt(STALLED_MS)
    yard.add(150, begun)
    // A page takes 39 s.
    yard.storeMs = 1_500
    expect(await yard.sweep()).toMatchObject({ checked: 150, requeued: 150, more: false })
  })

  test('looks at nothing more once its request has ended, and leaves the rest as it is to the next', async () => {
    const yard = await yardAt(STALLED_MS)
    yard.add(90, begun)
    yard.storeMs = 2_000
    const request = new AbortController()
    yard.time.after(11_000, () => request.abort(new Error('the time of the request is up')))
    const report = await yard.sweep({ signal: request.signal })
    expect(report).toMatchObject({ failed: 0, more: true })
    expect(report.checked).toBeLessThanOrEqual(24)
    expect(yard.time.nowMs).toBeLessThan(STALLED_MS + 20_000)
    expect(await yard.sweep()).toMatchObject({ checked: 90 - report.checked, failed: 0, more: false })
  })

  test('is stopped by no workflow that fails, and leaves that one alone for ten minutes', async () => {
    const yard = await yardAt(STALLED_MS)
    const [bad = ''] = yard.add(1, deleted)
    yard.outOfReach.add(bad)
    yard.add(20, begun)
    const report = await yard.sweep()
    expect(report).toMatchObject({ checked: 21, requeued: 20, failed: 1, cleaned: 0 })
    expect(report.workflows).toContainEqual(expect.objectContaining({ workflowId: bad, action: 'none' }))
    expect(yard.told).toContain(`ERROR sweep.failed ${bad}`)
    expect(yard.told).toContain('WARNING sweep.ended')

    const failedAtMs = yard.time.nowMs
    await yard.time.run(failedAtMs + 2 * MINUTE_MS)
    expect(await yard.sweep()).toMatchObject({ checked: 0, failed: 0 })
    yard.outOfReach.clear()
    await yard.time.run(failedAtMs + 10 * MINUTE_MS)
    // What was requeued meanwhile is due again as well: nobody carries out tasks here.
    expect(await yard.sweep()).toMatchObject({ checked: 21, failed: 0, cleaned: 1 })
    expect(yard.deeds).toContain(`remove ${bad}`)
  })

  test('that is only a rehearsal says the same and does nothing', async () => {
    const yard = await yardAt(2 * DAY_MS)
    yard.add(3, deleted)
    yard.add(3, failed)
    yard.add(3, begun)
    yard.add(3, (order) => start(FAKE_PIPELINE, order, {}, 2 * DAY_MS - STALLED_MS).next)
    const [bad = ''] = yard.add(1, deleted)
    yard.outOfReach.add(bad)
    const before = yard.stored
    const rehearsal = await yard.sweep({ dryRun: true })
    expect(yard.stored).toEqual(before)
    expect([yard.tasks.waiting.size, yard.deeds]).toEqual([0, []])

    const real = await yard.sweep()
    const decided = { checked: 13, stuck: 6, requeued: 3, markedError: 3, more: false }
    expect(rehearsal).toMatchObject({ ...decided, dryRun: true, cleaned: 7, failed: 0 })
    expect(real).toMatchObject({ ...decided, dryRun: false, cleaned: 6, failed: 1 })
    const inShort = ({ workflows }: SweepReport) =>
      workflows
        .filter(({ workflowId }) => workflowId !== bad)
        .map(({ workflowId, step, action }) => `${workflowId} ${step} ${action}`)
        .toSorted()
    expect(inShort(rehearsal)).toEqual(inShort(real))
    expect(yard.stored).not.toEqual(before)
    expect(yard.tasks.waiting.size).toBe(3)
  })

  test('that fails in a rehearsal postpones nothing', async () => {
    const yard = await yardAt(STALLED_MS)
    const [bad = ''] = yard.add(1, lastStepBegun)
    yard.outOfReach.add(bad)
    const before = yard.stored
    expect(await yard.sweep({ dryRun: true })).toMatchObject({ failed: 1 })
    expect(yard.stored).toEqual(before)
    expect(yard.told).toContain(`ERROR sweep.failed ${bad}`)
  })

  test('beside another gives each stalled step to one attempt', async () => {
    const yard = await yardAt(STALLED_MS)
    yard.add(30, begun)
    const reports = await Promise.all([yard.sweep(), yard.sweep()])
    expect(reports.reduce((sum, { requeued }) => sum + requeued, 0)).toBe(30)
    expect(yard.stored.map((order) => order?.steps['transcribe']?.requeued?.count)).toEqual(yard.ids.map(() => 1))
    expect(yard.tasks.waiting.size).toBe(30)
  })
})
