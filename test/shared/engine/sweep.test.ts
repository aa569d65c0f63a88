import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { Outcome } from '../../../shared/engine/outcome.ts'
import { decideSweep, needsEvidence } from '../../../shared/engine/sweep/decide.ts'
import { sweepAtMs } from '../../../shared/engine/sweep/due.ts'
import type { WhereIs } from '../../../shared/engine/sweep/whereabouts.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import type { Fence, Moved } from '../../../shared/engine/transitions/moved.ts'
import { cancel, start } from '../../../shared/engine/transitions/owner.ts'
import { letGo, renew } from '../../../shared/engine/transitions/renew.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import { FAKE_PIPELINE, FAKE_STEPS } from './fake-pipeline.ts'
import type { FakeStepName, Order } from './fake-pipeline.ts'
import {
  againAfter,
  claimEvent,
  claimStep,
  doneAs,
  draft,
  FAILED,
  LEASE_MS,
  pollingAfter,
  settleStep,
  started,
  taskFor,
  waitingFor,
  mayHoldFiles,
  NOWHERE,
} from './order-fixtures.ts'
import type { Held } from './order-fixtures.ts'

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const RULES = {
  stalledStepMs: 150_000,
  stuckAfterMs: 2 * HOUR_MS,
  deadlineMs: 24 * HOUR_MS,
  stepLeaseMs: LEASE_MS,
  orphanAgeMs: 24 * HOUR_MS,
  mayHoldFiles,
}
const OUTPUTS = { by: 'storage' }

const dueAtMs = (order: Order) => sweepAtMs(FAKE_PIPELINE, order, RULES)
const decide = (order: Order, nowMs: number, lastResult?: unknown, whereIs: WhereIs = NOWHERE) =>
  decideSweep(order, { pipeline: FAKE_PIPELINE, rules: RULES, evidence: { lastResult, whereIs }, errorId: 'e1' }, nowMs)

type InHand = Omit<Held, 'resumesIntent'>

function claimed(moved: Moved<Order>, step: FakeStepName, nowMs: number): InHand {
  return claimStep(moved.next, taskFor(moved, step), nowMs)
}

function renewed({ workflow: order, fence }: InHand, nowMs: number, job = {}): Order {
  const moved = renew(FAKE_PIPELINE, order, { fence, leaseMs: LEASE_MS, job, activity: undefined }, nowMs)
  if (moved === undefined) throw new Error('the step is held by another attempt')
  return moved.next
}

/** The pipeline up to where there is a task for `step` and nobody has begun it. */
function upTo(step: FakeStepName): Moved<Order> {
  let moved = started({ silent: true }, 0)
  for (const before of FAKE_STEPS) {
    if (before === step) return moved
    if (moved.tasks.some((task) => task.step === before))
      moved = settleStep(claimed(moved, before, 0), doneAs(before), 0)
  }
  return moved
}

const away = (afterMs: number, sinceMs = 0): Outcome => waitingFor('write-1', afterMs, { sinceMs })

describe('every state at every age', () => {
  const running = (step: FakeStepName) => claimed(upTo(step), step, 0).workflow
  const waiting = (untilMs: number) => settleStep(claimed(upTo('write'), 'write', 0), away(untilMs), 0).next
  const polling = () => {
    const held = claimed(upTo('transcribe'), 'transcribe', 0)
    const known = { ...held, workflow: renewed(held, 0, { providerJobId: 'p' }) }
    return settleStep(known, pollingAfter(20_000), 0).next
  }
  const processing = (step: FakeStepName) => upTo(step).next
  const ready = () => settleStep(claimed(upTo('finish'), 'finish', 0), doneAs('finish'), 0).next
  const failed = () => settleStep(claimed(upTo('write'), 'write', 0), FAILED, 0).next
  const cancelled = () => cancel(FAKE_PIPELINE, processing('write'), {}, 0).next
  const deleted = () => ({ ...processing('write'), deletedAtMs: 0 })

  // What is expected just after the start, before and after a step counts as stalled, and past every threshold.
  test.each<[string, () => Order, [number, string][]]>([
    [
      'a draft without files',
      draft,
      [
        [0, 'none'],
        [100 * HOUR_MS, 'none'],
      ],
    ],
    [
      'a draft with files',
      () => draft({ brought: true, updatedAtMs: 1 }),
      [
        [HOUR_MS, 'none'],
        [25 * HOUR_MS, 'tidy'],
      ],
    ],
    [
      'a step nobody began',
      () => processing('transcribe'),
      [
        [0, 'none'],
        [149_999, 'none'],
        [150_000, 'requeue'],
        [2 * HOUR_MS, 'error'],
      ],
    ],
    [
      'a step whose lease runs',
      () => running('write'),
      [
        [0, 'none'],
        [LEASE_MS, 'none'],
      ],
    ],
    [
      'a step whose worker went silent',
      () => running('write'),
      [
        [LEASE_MS + 149_999, 'none'],
        [LEASE_MS + 150_000, 'requeue'],
        [2 * HOUR_MS, 'error'],
      ],
    ],
    [
      'a step that waits for a provider',
      () => waiting(10 * MINUTE_MS),
      [
        [10 * MINUTE_MS, 'none'],
        [10 * MINUTE_MS + 150_000, 'requeue'],
        [3 * HOUR_MS, 'requeue'],
        [25 * HOUR_MS, 'error'],
      ],
    ],
    [
      'a job that is asked for',
      polling,
      [
        [20_000, 'none'],
        [170_000, 'requeue'],
        [2 * HOUR_MS, 'error'],
      ],
    ],
    [
      'the last step',
      () => running('finish'),
      [
        [LEASE_MS, 'none'],
        [LEASE_MS + 150_000, 'requeue'],
      ],
    ],
    [
      'ready',
      ready,
      [
        [HOUR_MS, 'none'],
        [25 * HOUR_MS, 'tidy'],
      ],
    ],
    [
      'error',
      failed,
      [
        [HOUR_MS, 'none'],
        [25 * HOUR_MS, 'tidy'],
      ],
    ],
    [
      'cancelled',
      cancelled,
      [
        [HOUR_MS, 'none'],
        [25 * HOUR_MS, 'tidy'],
      ],
    ],
    [
      'half deleted',
      deleted,
      [
        [0, 'remove'],
        [HOUR_MS, 'remove'],
      ],
    ],
  ])('%s', (_name, make, expected) => {
    const order = make()
    const seen = expected.map(([nowMs]) => {
      const decision = decide(order, nowMs)
      expect(decision.kind === 'move' ? decision.cures.map(({ reason }) => reason) : [decision.reason]).not.toContain(
        '',
      )
      return [nowMs, decision.kind === 'move' ? decision.cures[0]?.action : decision.kind]
    })
    expect(seen).toEqual(expected)
  })

  test('outputs that are all in storage finish the order, stalled or stuck', () => {
    const order = running('finish')
    for (const nowMs of [LEASE_MS + 150_000, 30 * HOUR_MS]) {
      expect(needsEvidence(FAKE_PIPELINE, order, RULES, nowMs)).toBe(true)
      const decision = decide(order, nowMs, OUTPUTS)
      expect(decision).toMatchObject({ kind: 'move', cures: [{ action: 'finish', step: 'finish' }] })
      if (decision.kind !== 'move') return
      expect(decision.moved.next).toMatchObject({ status: 'ready', results: { finish: OUTPUTS } })
    }
    expect(decide(order, LEASE_MS, OUTPUTS).kind).toBe('none')
  })

  test('a stuck order says which step, since when, with which lease and after how many attempts', () => {
    const decision = decide(running('write'), 3 * HOUR_MS)
    expect(decision).toMatchObject({
      moved: {
        tasks: [],
        next: {
          status: 'error',
          error: {
            code: 'stuck',
            retryable: true,
            technical_message: 'write is running: last progress 10800 s ago, lease ended 10780 s ago, 1 attempts',
          },
        },
      },
    })
  })

  test('a cancelled order whose job can be stopped is seen to at once', () => {
    const held = claimed(upTo('master'), 'master', 0)
    const { next: order, tasks } = cancel(FAKE_PIPELINE, renewed(held, 0, { providerJobId: 'p' }), {}, 5)
    expect(tasks).toMatchObject([{ step: 'master' }])
    expect(decide(order, 5)).toMatchObject({ kind: 'tidy' })
  })
})

test('a step that renews its lease for three hours is alive', () => {
  const { fence, workflow: first } = claimed(upTo('master'), 'master', 0)
  let order = first
  for (let nowMs = 0; nowMs < 3 * HOUR_MS; nowMs += 6000) {
    order = renewed({ workflow: order, fence }, nowMs)
    for (const later of [0, 6000, LEASE_MS]) expect(decide(order, nowMs + later).kind).toBe('none')
  }
})

test('a step that was alive for three hours and then went silent is given to another attempt, and has its time again', () => {
  const held = claimed(upTo('master'), 'master', 0)
  const alive = renewed(held, 3 * HOUR_MS)
  const nowMs = 3 * HOUR_MS + LEASE_MS + RULES.stalledStepMs
  const decision = decide(alive, nowMs)
  expect(decision).toMatchObject({ kind: 'move', cures: [{ step: 'master', action: 'requeue' }] })
  if (decision.kind !== 'move') return
  expect(decide(decision.moved.next, nowMs).kind).toBe('none')
  expect(dueAtMs(decision.moved.next)).toBe(nowMs + RULES.stalledStepMs)
  // So is one whose instance ends in good order.
  const given = letGo(FAKE_PIPELINE, alive, { fence: held.fence, call: 'unknown' }, 3 * HOUR_MS + 1)
  expect(decide(given?.next ?? draft(), 3 * HOUR_MS + 2).kind).toBe('none')
})

test('a provider that comes back after ten hours leaves no order that counts as stuck', () => {
  const waited = settleStep(claimed(upTo('transcribe'), 'transcribe', 0), away(10 * HOUR_MS), 0)
  const held = claimed(waited, 'transcribe', 10 * HOUR_MS)
  const polled = settleStep(held, pollingAfter(19_000), 10 * HOUR_MS + 1000)
  expect(decide(polled.next, 10 * HOUR_MS + 30_000).kind).toBe('none')
})

test('a sweep decides exactly when an order is due, whatever happened before, and is not asked again at once', () => {
  const acts = fc.array(
    fc.record({
      after: fc.oneof(
        { weight: 9, arbitrary: fc.integer({ min: 0, max: 40 * MINUTE_MS }) },
        { weight: 1, arbitrary: fc.integer({ min: 0, max: 30 * HOUR_MS }) },
      ),
      act: fc.constantFrom('claim', 'done', 'poll', 'wait', 'again', 'beat', 'cancel', 'sweep', 'start'),
      step: fc.constantFrom(...FAKE_STEPS),
    }),
    { minLength: 1, maxLength: 40 },
  )
  const seen = { none: 0, requeue: 0, error: 0, tidy: 0, finish: 0, upgrade: 0 }
  fc.assert(
    fc.property(acts, (sequence) => {
      let nowMs = 0
      let { next: order, tasks } = started(undefined, nowMs)
      const fences = new Map<FakeStepName, Fence>()
      for (const { after, act, step } of sequence) {
        nowMs += after
        const dueMs = dueAtMs(order)
        const decision = decide(order, nowMs)
        expect(decision.kind === 'none').toBe(dueMs === undefined || dueMs > nowMs)
        // An order at work always has a next event that the sweep would see.
        if (order.status === 'processing') expect(dueMs).toBeDefined()
        if (decision.kind === 'none' || decision.kind === 'tidy') seen[decision.kind]++
        for (const { action, overdueMs } of decision.kind === 'move' ? decision.cures : []) {
          seen[action]++
          expect(overdueMs).toBeGreaterThanOrEqual(0)
        }
        const moved = move(act, step)
        if (moved !== undefined) [order, tasks] = [moved.next, [...tasks, ...moved.tasks]]

        function move(what: string, name: FakeStepName): Moved<Order> | undefined {
          const fence = fences.get(name)
          const task = tasks.findLast((one) => one.step === name)
          const settleAs = (outcome: Outcome) =>
            fence && settle(FAKE_PIPELINE, order, { fence, outcome, cost: undefined }, nowMs)
          switch (what) {
            case 'claim': {
              if (task === undefined) return undefined
              const asked = claim<Order>(FAKE_PIPELINE, order, claimEvent(task, `${nowMs}`), nowMs)
              if (asked.kind === 'claimed') fences.set(name, asked.fence)
              return 'moved' in asked ? asked.moved : undefined
            }
            case 'beat': {
              const event = { leaseMs: LEASE_MS, job: { providerJobId: 'p' }, activity: undefined }
              return fence && renew(FAKE_PIPELINE, order, { fence, ...event }, nowMs)
            }
            case 'done':
              return settleAs(doneAs(name))
            case 'poll':
              return settleAs(pollingAfter(20_000))
            case 'wait':
              return settleAs(away(MINUTE_MS, order.steps[name].unavailable?.sinceMs ?? nowMs))
            case 'again':
              return settleAs(againAfter(1000))
            case 'cancel':
              return order.status === 'processing' && name === 'finish'
                ? cancel(FAKE_PIPELINE, order, {}, nowMs)
                : undefined
            case 'start':
              return order.status === 'error' || order.status === 'cancelled'
                ? start(FAKE_PIPELINE, order, {}, nowMs)
                : undefined
            default: {
              if (decision.kind !== 'move') return undefined
              expect(dueAtMs(decision.moved.next) ?? Infinity).toBeGreaterThan(nowMs)
              // Nobody who held a step that was given on still holds it.
              for (const { step: cured } of decision.cures)
                expect(decision.moved.next.steps[cured as FakeStepName].lease).toBeUndefined()
              return decision.moved
            }
          }
        }
      }
    }),
    { numRuns: 3000 },
  )
  expect(Math.min(seen.none, seen.requeue, seen.error, seen.tidy)).toBeGreaterThan(30)
})
