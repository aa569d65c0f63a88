import { describe, expect, test } from 'vitest'

import type { Whereabouts } from '../../../shared/engine/ports.ts'
import { decideSweep } from '../../../shared/engine/sweep/decide.ts'
import { TaskInquiry, tasksInDoubt } from '../../../shared/engine/sweep/whereabouts.ts'
import type { WhereIs } from '../../../shared/engine/sweep/whereabouts.ts'
import { FAKE_PIPELINE } from './fake-pipeline.ts'
import type { Order } from './fake-pipeline.ts'
import { claimStep, doneAs, LEASE_MS, settleStep, started, taskFor } from './order-fixtures.ts'
import { RULES } from './world.ts'

/* What a sweep makes of where a task is. */

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const STALLED_MS = RULES.stalledStepMs

const waiting = (dueAtMs: number, triedSinceMs?: number): Whereabouts => ({ kind: 'waiting', dueAtMs, triedSinceMs })
const delivering = (sinceMs: number): Whereabouts => ({ kind: 'delivering', sinceMs })
const GONE: Whereabouts = { kind: 'gone' }

const pending = (): Order => started({}, 0).next
const running = (): Order => {
  const moved = started({}, 0)
  return claimStep(moved.next, taskFor(moved, 'transcribe'), 0).workflow
}

function decide(order: Order, nowMs: number, found: ReturnType<WhereIs>) {
  const evidence = { lastResult: undefined, whereIs: () => found }
  const decision = decideSweep(order, { pipeline: FAKE_PIPELINE, rules: RULES, evidence, errorId: 'e' }, nowMs)
  if (decision.kind === 'move') return decision.cures.map(({ action }) => action).join()
  return decision.kind === 'wait' ? (decision.untilMs ?? NaN) - nowMs : decision.kind
}

describe('a step that nobody began, and that is late', () => {
  const lateMs = 10 * MINUTE_MS
  test.each<[string, ReturnType<WhereIs>, number | string]>([
    ['is lost where no queue has its task', GONE, 'requeue'],
    ['waits where its task has just become due', waiting(lateMs - 1000), STALLED_MS],
    ['waits the longer the longer its queue has not delivered it', waiting(0), 5 * MINUTE_MS],
    ['waits where its task was just sent out', delivering(lateMs - 1000), STALLED_MS],
    ['waits where its task is tried again and again', waiting(lateMs + 1000, 1), STALLED_MS],
    ['is left alone where nobody knows', { kind: 'unknown' }, NaN],
  ])('%s', (_what, found, expected) => {
    expect(decide(pending(), lateMs, found)).toBe(expected)
  })
})

describe('a step that was not heard of since its lease ended', () => {
  const lateMs = LEASE_MS + 10 * MINUTE_MS
  test.each<[string, ReturnType<WhereIs>, number | string]>([
    ['is lost where no queue has its task', GONE, 'requeue'],
    ['is lost where its holder still has the task', delivering(LEASE_MS - 1), 'requeue'],
    ['waits where the task has just gone to somebody else', delivering(lateMs - 1000), STALLED_MS],
    ['waits where its queue delivers it again by itself', waiting(lateMs + 1000, 1), STALLED_MS],
    ['waits where its queue is paused', waiting(lateMs - 4 * MINUTE_MS, 1), STALLED_MS],
  ])('%s', (_what, found, expected) => {
    expect(decide(running(), lateMs, found)).toBe(expected)
  })
})

describe('a workflow without progress for a day', () => {
  const lateMs = 24 * HOUR_MS
  test.each<[string, ReturnType<WhereIs>, number | string]>([
    ['ends where its task is lost', GONE, 'error'],
    ['ends where its task was tried in vain for two hours', waiting(lateMs + 1000, lateMs - 2 * HOUR_MS), 'error'],
    ['has its time where that was tried for less', waiting(lateMs + 1000, lateMs - 2 * HOUR_MS + 1), STALLED_MS],
    ['waits where its queue is paused', waiting(0), 15 * MINUTE_MS],
    ['waits where its queue was paused after it had been tried', waiting(HOUR_MS, 1), 15 * MINUTE_MS],
    ['waits where its task comes for the first time', delivering(lateMs - 1000), STALLED_MS],
    ['waits where nobody knows', { kind: 'unknown' }, NaN],
  ])('%s', (_what, found, expected) => {
    expect(decide(pending(), lateMs, found)).toBe(expected)
  })
})

test('a step that is paused keeps no other from being looked at in time', () => {
  const moved = started({}, 0)
  const { next: order } = settleStep(claimStep(moved.next, taskFor(moved, 'transcribe'), 0), doneAs('transcribe'), 0)
  const open = Object.entries(order.steps).flatMap(([name, { dispatch, state }]) =>
    state === 'pending' && dispatch > 0 ? [name] : [],
  )
  expect(open.length).toBeGreaterThan(1)
  const [late = '', other = ''] = open
  const nowMs = 10 * MINUTE_MS
  // The other one will be late in a minute.
  const nextCheckAtMs = nowMs + MINUTE_MS - STALLED_MS
  const steps = { ...order.steps, [other]: { ...order.steps[other as 'write'], nextCheckAtMs } }
  expect(tasksInDoubt({ ...order, steps }, RULES, nowMs).map(({ step }) => step)).toEqual([late])
  expect(decide({ ...order, steps }, nowMs, waiting(0))).toBe(MINUTE_MS)
  // Once it is, and lost, that one alone is enqueued again.
  const whereIs: WhereIs = ({ step }) => (step === other ? GONE : waiting(0))
  const evidence = { lastResult: undefined, whereIs }
  const context = { pipeline: FAKE_PIPELINE, rules: RULES, evidence, errorId: 'e' }
  const decision = decideSweep({ ...order, steps }, context, nowMs + MINUTE_MS)
  expect(decision).toMatchObject({ kind: 'move', cures: [{ step: other, action: 'requeue' }] })
})

test('only the newest task of a step is asked about, and nothing is known of any other', async () => {
  const order = pending()
  const [task] = tasksInDoubt(order, RULES, HOUR_MS)
  expect(task).toEqual({ step: 'transcribe', generation: order.generation, dispatch: 1 })
  expect(tasksInDoubt(order, RULES, 1000)).toEqual([])
  expect(tasksInDoubt({ ...order, deletedAtMs: 1 }, RULES, HOUR_MS)).toEqual([])
  expect(tasksInDoubt({ ...order, status: 'cancelled' }, RULES, HOUR_MS)).toEqual([])
  const queue = { enqueue: async () => undefined, find: async () => GONE }
  const whereIs = await new TaskInquiry(queue, () => undefined).ask('o1', task === undefined ? [] : [task])
  expect(task && [whereIs(task), whereIs({ ...task, dispatch: 2 })]).toEqual([GONE, { kind: 'unknown' }])
})

describe('a queue that does not answer', () => {
  const [task = { step: '', generation: 0, dispatch: 0 }] = tasksInDoubt(pending(), RULES, HOUR_MS)
  const queueOf = (answers: ('no' | typeof GONE)[]) => ({
    enqueue: async () => undefined,
    find: async () => {
      const answer = answers.shift() ?? 'no'
      if (answer === 'no') throw new Error('away')
      return answer
    },
  })

  test('once is asked again, and nobody is told', async () => {
    const told: string[] = []
    const inquiry = new TaskInquiry(queueOf(['no', GONE]), (step) => told.push(step))
    expect((await inquiry.ask('o1', [task]))(task)).toEqual(GONE)
    expect(told).toEqual([])
  })

  test('twice is told of, and is asked about no other workflow', async () => {
    const [told, answers] = [[] as string[], ['no', 'no', GONE] as ('no' | typeof GONE)[]]
    const inquiry = new TaskInquiry(queueOf(answers), (step) => told.push(step))
    for (const id of ['o1', 'o2']) expect((await inquiry.ask(id, [task]))(task)).toEqual({ kind: 'unknown' })
    expect([told, answers]).toEqual([[task.step], [GONE]])
  })
})
