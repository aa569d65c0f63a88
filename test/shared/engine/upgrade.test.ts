import { describe, expect, test } from 'vitest'

import { recordHistory } from '../../../shared/engine/history.ts'
import type { Outcome } from '../../../shared/engine/outcome.ts'
import type { Problem } from '../../../shared/engine/problem.ts'
import { decideSweep } from '../../../shared/engine/sweep/decide.ts'
import { sweepAtMs } from '../../../shared/engine/sweep/due.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import type { Fence, Moved } from '../../../shared/engine/transitions/moved.ts'
import { renew } from '../../../shared/engine/transitions/renew.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import { beginUpgrade, inGeneration, upgradeAtMs, viewGeneration } from '../../../shared/engine/transitions/upgrade.ts'
import type { Step } from '../../../shared/engine/workflow.ts'
import { FAKE_PIPELINE, FAKE_STEPS } from './fake-pipeline.ts'
import type { FakeStepName, Order } from './fake-pipeline.ts'
import { claimEvent, draft, LEASE_MS, mayHoldFiles, NOWHERE, PROBLEM } from './order-fixtures.ts'

const HOUR_MS = 3_600_000
const RULES = {
  stalledStepMs: 150_000,
  stuckAfterMs: 2 * HOUR_MS,
  deadlineMs: 24 * HOUR_MS,
  stepLeaseMs: 20_000,
  orphanAgeMs: 24 * HOUR_MS,
  mayHoldFiles,
}
const CONTEXT = {
  pipeline: FAKE_PIPELINE,
  rules: RULES,
  evidence: { lastResult: undefined, whereIs: NOWHERE },
  errorId: 'e1',
}
const PAUSE_MS = 300_000
const madeBy = (by: string) => ({ by })

/** Ready at time 0, the given steps by fallbacks. */
function ready(...fallen: FakeStepName[]): Order {
  const step = (name: FakeStepName): Step => ({
    state: 'done',
    attempt: 1,
    dispatch: 1,
    finishedAtMs: 0,
    ...(fallen.includes(name) && {
      degraded: 'without',
      fallback: { atMs: 0, tries: 0, pauseMs: PAUSE_MS, nextTryAtMs: PAUSE_MS },
    }),
  })
  return {
    ...draft(),
    status: 'ready',
    generation: 1,
    steps: Object.fromEntries(FAKE_STEPS.map((name) => [name, step(name)])) as Order['steps'],
    results: {
      transcribe: madeBy('old'),
      write: madeBy('old'),
      master: madeBy('old'),
      finish: madeBy('old'),
    },
  }
}

const begin = (order: Order, nowMs: number): Moved<Order> =>
  beginUpgrade(FAKE_PIPELINE, order, {}, nowMs) ?? { next: order, tasks: [] }

function claimed({ next, tasks }: Moved<Order>, step: FakeStepName, nowMs: number): { order: Order; fence: Fence } {
  const task = tasks.find((one) => one.step === step)
  if (task === undefined) throw new Error(`no task for ${step}`)
  let fence: Fence | undefined
  const moved = inGeneration(next, task.generation, (view) => {
    const asked = claim<Order>(FAKE_PIPELINE, view, claimEvent(task, `t${nowMs}`), nowMs)
    if (asked.kind !== 'claimed') throw new Error(asked.kind)
    fence = asked.fence
    const { provider } = asked
    if (provider?.kind !== 'call') return asked.moved
    const call = { provider: provider.name, cost: { calls: 1 } }
    const event = { fence, leaseMs: LEASE_MS, job: {}, activity: undefined, call }
    return renew(FAKE_PIPELINE, asked.moved.next, event, nowMs)
  })
  if (moved === undefined || fence === undefined) throw new Error('not claimed')
  return { order: moved.next, fence }
}

function settled({ order, fence }: { order: Order; fence: Fence }, outcome: Outcome, nowMs: number): Moved<Order> {
  const moved = inGeneration(order, fence.generation, (view) =>
    settle(FAKE_PIPELINE, view, { fence, outcome, cost: undefined }, nowMs),
  )
  if (moved === undefined) throw new Error('the step is held by another attempt')
  return moved
}

const done = (step: 'write' | 'finish'): Outcome => ({
  kind: 'done',
  result: madeBy(`new ${step}`),
  by: undefined,
  degraded: undefined,
})
const failed = (problem: Problem, call: 'unsent' | 'ended' | 'ambiguous' = 'ended'): Outcome => ({
  kind: 'failed',
  problem,
  call,
})

describe('an upgrade', () => {
  test('is begun by the sweep when it is due, and not before', () => {
    const order = ready('write')
    expect([upgradeAtMs(order), sweepAtMs(FAKE_PIPELINE, order, RULES)]).toEqual([PAUSE_MS, PAUSE_MS])
    const decide = (nowMs: number) => decideSweep(order, CONTEXT, nowMs)
    expect(decide(PAUSE_MS - 1).kind).toBe('none')
    expect(decide(PAUSE_MS)).toMatchObject({ kind: 'move', cures: [{ step: 'write', action: 'upgrade' }] })
  })

  test('works beside the order, which is ready and serves what it has until all of the new is there', () => {
    const begun = begin(ready('write'), PAUSE_MS)
    expect(begun.tasks).toEqual([{ step: 'write', generation: 2, dispatch: 1 }])
    const written = settled(claimed(begun, 'write', PAUSE_MS + 1), done('write'), PAUSE_MS + 2)
    expect(written.next).toMatchObject({ status: 'ready', generation: 1, results: { write: madeBy('old') } })
    expect(written.tasks).toEqual([{ step: 'finish', generation: 2, dispatch: 1 }])
    const { next: order } = settled(claimed(written, 'finish', PAUSE_MS + 3), done('finish'), PAUSE_MS + 4)
    expect(order).toMatchObject({
      status: 'ready',
      generation: 2,
      results: { write: madeBy('new write'), master: madeBy('old'), finish: madeBy('new finish') },
    })
    expect(order).not.toHaveProperty('upgrade')
    expect(order).not.toHaveProperty('replaces')
    expect(order.steps.write).not.toHaveProperty('degraded')
    expect(upgradeAtMs(order)).toBeUndefined()
  })

  test.each([
    ['write', ['write', 'finish']],
    ['voice', ['voice', 'master', 'finish']],
    ['master', ['master', 'finish']],
  ] as const)('of %s does again %j and nothing else', (step, again) => {
    const begun = begin(ready(step), PAUSE_MS)
    const run = viewGeneration(begun.next, 2)
    expect(FAKE_STEPS.filter((name) => run.steps[name].state !== 'done')).toEqual(again)
    expect(begun.tasks.map((task) => task.step)).toEqual([step])
  })

  test('that is given up leaves all as it was, and is tried again later and later', () => {
    let order = ready('write')
    const waits: number[] = []
    for (let tries = 1, nowMs = PAUSE_MS; tries < 30; tries++) {
      const begun = begin(order, nowMs)
      expect(begun.tasks[0]?.generation).toBe(tries + 1)
      const given = settled(claimed(begun, 'write', nowMs), failed(PROBLEM, 'unsent'), nowMs)
      order = given.next
      expect(order).toMatchObject({ status: 'ready', generation: 1, results: { write: madeBy('old') } })
      expect(order.steps.write).toMatchObject({ degraded: 'without', fallback: { tries } })
      const nextMs = upgradeAtMs(order)
      if (nextMs === undefined) break
      waits.push(nextMs - nowMs)
      nowMs = nextMs
    }
    expect(waits.slice(0, 3)).toEqual([2 * PAUSE_MS, 4 * PAUSE_MS, 8 * PAUSE_MS])
    expect(Math.max(...waits)).toBe(6 * HOUR_MS)
    expect(waits).toHaveLength(13)
  })

  test('is not tried again where that cannot succeed', () => {
    const refused = { ...PROBLEM, retryable: false }
    const begun = begin(ready('write'), PAUSE_MS)
    const given = settled(claimed(begun, 'write', PAUSE_MS), failed(refused), PAUSE_MS)
    expect(upgradeAtMs(given.next)).toBeUndefined()
  })

  test('that has lost a call and its repeat is tried once more a day later, and no more', () => {
    let order = ready('write')
    const waits: number[] = []
    for (let calls = 0, beforeMs = 0; calls < 10; calls++) {
      const nowMs = upgradeAtMs(order)
      if (nowMs === undefined) break
      waits.push(nowMs - beforeMs)
      beforeMs = nowMs
      order = settled(claimed(begin(order, nowMs), 'write', nowMs), failed(PROBLEM, 'ambiguous'), nowMs).next
    }
    expect(waits).toEqual([PAUSE_MS, 2 * PAUSE_MS, 24 * HOUR_MS])
    expect(order.steps.write.paid).toMatchObject({ calls: 3, repeats: 1, open: true, writtenOff: 1 })
  })

  test('still knows of jobs that may be somewhere, of every step that it does again', () => {
    const lostJobs = [{ key: 'k', webhookToken: 't', provider: 'first', polls: 0 }]
    const order = ready('write')
    const { write, finish } = order.steps
    const steps = { ...order.steps, write: { ...write, lostJobs }, finish: { ...finish, lostJobs } }
    const begun = begin({ ...order, steps }, PAUSE_MS).next.upgrade
    expect([begun?.steps['write']?.lostJobs, begun?.steps['finish']?.lostJobs]).toEqual([lostJobs, lostJobs])
  })

  test('takes up the job that was begun before the fallback', () => {
    const order = ready('master')
    const job = { key: 'g1-master', webhookToken: 'h', providerJobId: 'p1', polls: 7 }
    const before = { ...order, steps: { ...order.steps, master: { ...order.steps.master, job } } }
    const { order: asked } = claimed(begin(before, PAUSE_MS), 'master', PAUSE_MS)
    expect(viewGeneration(asked, 2).steps.master.job).toEqual({ ...job, polls: 0 })
  })

  test('that stands still is driven on, and given up when nothing helps', () => {
    const begun = begin(ready('write'), PAUSE_MS)
    const decide = (nowMs: number) => decideSweep(begun.next, CONTEXT, nowMs)
    const driven = decide(PAUSE_MS + RULES.stalledStepMs)
    expect(driven).toMatchObject({
      kind: 'move',
      cures: [{ step: 'write', action: 'requeue' }],
      moved: { tasks: [{ step: 'write', generation: 2, dispatch: 2 }], next: { status: 'ready' } },
    })
    const given = decide(PAUSE_MS + RULES.stuckAfterMs)
    expect(given).toMatchObject({
      kind: 'move',
      cures: [{ action: 'upgrade' }],
      moved: { next: { status: 'ready' } },
    })
    if (given.kind === 'move') expect(given.moved.next).not.toHaveProperty('upgrade')
  })

  test('of a deleted order is nobody’s: neither claims nor writes are let in', () => {
    const begun = begin(ready('write'), PAUSE_MS)
    const { order, fence } = claimed(begun, 'write', PAUSE_MS)
    const deleted = { ...order, deletedAtMs: 5, generation: 2 }
    expect(
      inGeneration(deleted, fence.generation, (view) =>
        settle(FAKE_PIPELINE, view, { fence, outcome: done('write'), cost: undefined }, 9),
      ),
    ).toBeUndefined()
  })

  test('is told in the history', () => {
    const before = ready('write')
    const { next: order } = begin(before, PAUSE_MS)
    expect(recordHistory(before, order, { by: 'sweep' }, 'order').history).toEqual([
      { atMs: PAUSE_MS, by: 'sweep', what: 'upgrade', to: 'running', why: 'a better write is asked for' },
    ])
  })
})
