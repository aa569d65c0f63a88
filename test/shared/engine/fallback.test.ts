import { describe, expect, test } from 'vitest'

import { specOf } from '../../../shared/engine/definition.ts'
import type { StepSpec } from '../../../shared/engine/definition.ts'
import { mayFallBack } from '../../../shared/engine/execution.ts'
import type { Outcome } from '../../../shared/engine/outcome.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import { bring, start } from '../../../shared/engine/transitions/owner.ts'
import type { Moved } from '../../../shared/engine/transitions/moved.ts'
import { renew } from '../../../shared/engine/transitions/renew.ts'
import { FAKE_PIPELINE } from './fake-pipeline.ts'
import type { Order } from './fake-pipeline.ts'
import {
  askFor,
  carryOut,
  claimStep,
  doneAs,
  draft,
  FAILED,
  LEASE_MS,
  pollingAfter,
  resultOf,
  settleStep,
  started,
  taskFor,
  waitingFor,
} from './order-fixtures.ts'

/** What doing without a provider, and a result by hand, do to an order. */

const MAY_FALL_BACK = { mayFallBack: true }

function transcribed(): Moved<Order> {
  const moved = started()
  return carryOut(moved.next, taskFor(moved, 'transcribe'), 2)
}

const FELL_BACK = {
  kind: 'fellBack',
  result: resultOf('write'),
  degraded: 'without',
  call: 'unknown',
  upgrade: { kind: 'later', afterMs: 99_000 },
} as const satisfies Outcome

describe('a step without its provider', () => {
  const ready = transcribed()
  const task = taskFor(ready, 'write')
  const first = claimStep(ready.next, task, 10, MAY_FALL_BACK)

  test('takes the fallback’s result, says so, remembers when to ask again, and the pipeline goes on', () => {
    const { next } = settleStep(first, FELL_BACK, 20)
    expect(next.steps.write).toMatchObject({
      state: 'done',
      degraded: 'without',
      provider: 'here',
      fallback: { atMs: 20, tries: 0, pauseMs: 99_000, nextTryAtMs: 99_020 },
    })
    expect(next.results.write).toEqual(resultOf('write'))
  })

  test('is not asked for again where its owner wants no upgrade', () => {
    const { next } = settleStep(first, { ...FELL_BACK, upgrade: { kind: 'never' } }, 20)
    expect(next.steps.write.fallback).toEqual({ atMs: 20, tries: 0 })
  })

  test('leaves a call open whose end nobody saw, and counts none that was never sent', () => {
    const open = settleStep(first, { ...FELL_BACK, call: 'ambiguous' }, 20)
    expect(open.next.steps.write.paid).toMatchObject({ calls: 1, repeats: 0, open: true, isRepeat: false })
    const unsent = settleStep(first, { ...FELL_BACK, call: 'unsent' }, 20)
    expect(unsent.next.steps.write.paid).toMatchObject({ calls: 0, repeats: 0, open: false, isRepeat: false })
    const unknown = settleStep(first, FELL_BACK, 20)
    expect(unknown.next.steps.write.paid).toMatchObject({ calls: 1, repeats: 0, open: true, isRepeat: false })
  })

  test('whose provider has had all its attempts is given the fallback alone, and an end when it has none', () => {
    let order = ready.next
    let nowMs = 10
    // A call, and one repeat of it whose end nobody saw either.
    for (let crash = 0; crash < 2; crash++, nowMs += LEASE_MS)
      ({ workflow: order } = claimStep(order, task, nowMs, MAY_FALL_BACK))
    expect(askFor(order, task, nowMs)).toMatchObject({ kind: 'gaveUp' })
    const last = askFor(order, task, nowMs, MAY_FALL_BACK)
    expect(last).toMatchObject({ kind: 'claimed', todo: 'fallBack', resumesIntent: true })
    if (last.kind !== 'claimed') return
    // Nothing is counted as a call that is none.
    expect(last.moved.next.steps.write.paid).toEqual(order.steps.write.paid)
    const held = { workflow: last.moved.next, fence: last.fence }
    expect(settleStep(held, FAILED, nowMs).next.status).toBe('error')
  })

  test('that crashes in its fallback ends after as many attempts as any other', () => {
    let order = ready.next
    let nowMs = 10
    let claims = 0
    // Longer than an attempt waits, however many were lost before it.
    for (; claims < 20; claims++, nowMs += 20 * LEASE_MS) {
      const asked = askFor(order, task, nowMs, MAY_FALL_BACK)
      if (asked.kind === 'gaveUp') break
      if (asked.kind === 'claimed') order = asked.moved.next
    }
    expect(claims).toBe(6)
  })

  test('may not fall back where owner, configuration or workflow say no', () => {
    const [transcribe, write, finish] = (['transcribe', 'write', 'finish'] as const).map((name) =>
      specOf(FAKE_PIPELINE, name),
    ) as [StepSpec, StepSpec, StepSpec]
    const { workflow: order } = first
    const everything = () => true
    const nothing = () => false
    expect(mayFallBack(order, write, everything)).toBe(true)
    expect(mayFallBack(order, transcribe, everything)).toBe(false)
    expect(mayFallBack(order, finish, everything)).toBe(false)
    expect(mayFallBack(order, write, nothing)).toBe(false)
    expect(
      mayFallBack({ ...order, replaces: { step: 'write', steps: order.steps, results: {} } }, write, everything),
    ).toBe(false)
    const waits = settleStep(first, waitingFor('write-1', 30, { fallback: { kind: 'none', why: 'too large' } }), 20)
    expect(mayFallBack(waits.next, write, everything)).toBe(false)
  })
})

describe('a result that its owner brings', () => {
  const give = (order: Order, nowMs: number) =>
    bring(FAKE_PIPELINE, { ...order, brought: true }, { step: 'transcribe' }, nowMs)

  test('waits in a draft, and starts nothing', () => {
    const { next, tasks } = give(draft(), 5)
    expect([next.status, next.brought, tasks]).toEqual(['draft', true, []])
  })

  test('fences out a step that hangs, and remembers its job', () => {
    const moved = started()
    const held = claimStep(moved.next, taskFor(moved, 'transcribe'), 2)
    const event = { fence: held.fence, leaseMs: 100, job: { providerJobId: 'j1' }, activity: undefined }
    const submitted = renew(FAKE_PIPELINE, held.workflow, event, 3)?.next ?? draft()
    const given = give(submitted, 4)
    expect(given.tasks).toEqual([{ step: 'transcribe', generation: 2, dispatch: 1 }])
    const late = { fence: held.fence, outcome: pollingAfter(9), cost: undefined }
    expect(settle(FAKE_PIPELINE, given.next, late, 5)).toBeUndefined()
    expect(given.next.jobs).toEqual([{ step: 'transcribe', provider: 'transcribe-1', id: 'j1' }])
    const again = claimStep(given.next, taskFor(given, 'transcribe'), 6)
    expect(again.workflow.steps.transcribe).toMatchObject({ attempt: 1, state: 'running' })
  })

  test('makes no job of its own, and says who did it', () => {
    const begun = start(FAKE_PIPELINE, give(draft(), 1).next, {}, 2)
    const held = claimStep(begun.next, taskFor(begun, 'transcribe'), 3)
    expect(held.workflow.steps.transcribe).not.toHaveProperty('job')
    const by = { kind: 'done', result: resultOf('transcribe'), by: 'hand', degraded: 'by hand' } as const
    expect(settleStep(held, by, 4).next.steps.transcribe).toMatchObject({ provider: 'hand', degraded: 'by hand' })
  })

  test('has done again what depends on words, and keeps what does not', () => {
    let moved = transcribed()
    moved = settleStep(claimStep(moved.next, taskFor(moved, 'voice'), 5), doneAs('voice'), 6)
    const given = give(moved.next, 7)
    expect(given.next.steps.voice.state).toBe('done')
    expect(given.next.results).toEqual({ voice: resultOf('voice') })
    expect(given.next.steps.write).toMatchObject({ state: 'pending', attempt: 0 })
    expect(given.tasks.map(({ step }) => step)).toEqual(['transcribe'])
  })

  test('brings an order back that an error had ended', () => {
    const moved = started()
    const failed = settleStep(claimStep(moved.next, taskFor(moved, 'transcribe'), 2), FAILED, 3)
    const given = give(failed.next, 4)
    expect(given.next).toMatchObject({ status: 'processing', generation: 2 })
    expect(given.next).not.toHaveProperty('error')
  })
})
