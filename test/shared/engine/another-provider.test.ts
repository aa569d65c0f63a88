import { describe, expect, test } from 'vitest'

import { renew } from '../../../shared/engine/transitions/renew.ts'
import type { GenerationView } from '../../../shared/engine/workflow.ts'
import { FAKE_PIPELINE } from './fake-pipeline.ts'
import type { Order } from './fake-pipeline.ts'
import {
  askFor,
  carryOut,
  claimStep,
  doneAs,
  LEASE_MS,
  settleStep,
  started,
  taskFor,
  waitingFor,
} from './order-fixtures.ts'

/** As often as an attempt may end in a crash or an unexpected failure, whatever the product says. */
const ATTEMPTS = 5
/** Longer than an attempt waits, however many were lost before it. */
const LONG_MS = 20 * LEASE_MS
const NEXT = { kind: 'passedOver', provider: 'first' } as const

describe('another provider', () => {
  const providers = [
    { name: 'first', kind: 'call' },
    { name: 'second', kind: 'call' },
  ] as const
  const transcribed = carryOut(started().next, taskFor(started(), 'transcribe'), 2)
  const held = claimStep(transcribed.next, taskFor(transcribed, 'write'), 10, { providers })

  test('is asked next, with attempts of its own, and nothing is left of the job at the first', () => {
    expect(held.workflow.steps.write.provider).toBe('first')
    const moved = settleStep(held, { ...NEXT, call: 'ambiguous' }, 20)
    expect(moved.next.steps.write).toMatchObject({ state: 'pending', attempt: 0, passedOver: ['first'] })
    expect(moved.next.steps.write).not.toHaveProperty('away')
    const again = claimStep(moved.next, taskFor(moved, 'write'), 30, { providers })
    expect(again.workflow.steps.write).toMatchObject({ provider: 'second', attempt: 1, paid: { calls: 2, repeats: 0 } })
    // What became of the call at the first is not the second's to find.
    expect(again.resumesIntent).toBe(false)
  })

  test('is asked when the first has killed whoever asked it, with the result of that call should there be one', () => {
    const task = taskFor(transcribed, 'write')
    let { workflow: order } = held
    ;({ workflow: order } = claimStep(order, task, 10 + LEASE_MS, { providers }))
    expect(order.steps.write).toMatchObject({ provider: 'first', paid: { calls: 2, repeats: 1 } })
    const next = claimStep(order, task, 10 + 2 * LEASE_MS, { providers })
    expect(next.resumesIntent).toBe(true)
    expect(next.workflow.steps.write).toMatchObject({ provider: 'second', attempt: 1, passedOver: ['first'] })
    // The one repeat there may be is spent: should this call be lost, too, no other is made.
    const laterMs = 10 + 6 * LEASE_MS
    expect(askFor(next.workflow, task, laterMs, { providers })).toMatchObject({ kind: 'gaveUp' })
    expect(askFor(next.workflow, task, laterMs, { providers, mayFallBack: true })).toMatchObject({
      kind: 'claimed',
      todo: 'fallBack',
    })
  })

  test('of jobs gets the attempts that killed whoever made one at the first, whose job is still known of', () => {
    const jobs = [
      { name: 'first', kind: 'job' },
      { name: 'second', kind: 'job' },
    ] as const
    const begun = started()
    const task = taskFor(begun, 'transcribe')
    let order = begun.next
    const claimAgain = (crash: number) => claimStep(order, task, 10 + crash * LONG_MS, { providers: jobs })
    for (let crash = 0; crash < ATTEMPTS; crash++) ({ workflow: order } = claimAgain(crash))
    const { job } = order.steps.transcribe
    ;({ workflow: order } = claimAgain(ATTEMPTS))
    expect(order.steps.transcribe).toMatchObject({
      attempt: 1,
      provider: 'second',
      job: { provider: 'second' },
      lostJobs: [{ key: job?.key, provider: 'first' }],
    })
    for (let crash = 1; crash < ATTEMPTS; crash++) ({ workflow: order } = claimAgain(ATTEMPTS + crash))
    expect(askFor(order, task, 10 + 2 * ATTEMPTS * LONG_MS, { providers: jobs })).toMatchObject({ kind: 'gaveUp' })
  })

  const jobs = [
    { name: 'first', kind: 'job' },
    { name: 'second', kind: 'call' },
  ] as const

  test('gives way to the first again, should both be away, with the job that is there', () => {
    const begun = started()
    const first = claimStep(begun.next, taskFor(begun, 'transcribe'), 10, { providers: jobs })
    const known = renew(
      FAKE_PIPELINE,
      first.workflow,
      { fence: first.fence, leaseMs: LEASE_MS, job: { providerJobId: 'j1' }, activity: undefined },
      11,
    )
    const passed = settleStep(
      { workflow: known?.next ?? first.workflow, fence: first.fence },
      { kind: 'passedOverAway', provider: 'first', call: 'unknown', awaySinceMs: 5 },
      20,
    )
    const second = claimStep(passed.next, taskFor(passed, 'transcribe'), 30, { providers: jobs })
    expect(second.workflow.steps.transcribe).toMatchObject({
      provider: 'second',
      away: { sinceMs: 5, providers: ['first'] },
    })
    expect(second.resumesIntent).toBe(false)
    const round = { kind: 'cameBack', provider: 'second', call: 'unsent', awaySinceMs: 25 } as const
    const back = settleStep(second, round, 40)
    expect(back.next.steps.transcribe).toMatchObject({
      passedOver: ['second'],
      away: { sinceMs: 5, providers: ['second'] },
    })
    const again = claimStep(back.next, taskFor(back, 'transcribe'), 50, { providers: jobs })
    expect(again.workflow.steps.transcribe).toMatchObject({ provider: 'first', job: { providerJobId: 'j1' } })
    expect(again.resumesIntent).toBe(true)
  })

  describe('that refuses, or has had the calls that it may, gives the step back to one that was only away', () => {
    const left = { kind: 'passedOverAway', provider: 'first', call: 'unknown', awaySinceMs: 5 } as const
    const begun = started()
    const passed = settleStep(claimStep(begun.next, taskFor(begun, 'transcribe'), 10, { providers: jobs }), left, 20)
    const second = claimStep(passed.next, taskFor(passed, 'transcribe'), 30, { providers: jobs })
    test('when it is settled so', () => {
      const back = settleStep(second, { kind: 'gaveBack', provider: 'second', call: 'ended' }, 40)
      expect(back.next.steps.transcribe).toMatchObject({ passedOver: ['second'], away: { sinceMs: 5, providers: [] } })
      const again = claimStep(back.next, taskFor(back, 'transcribe'), 50, { providers: jobs })
      expect(again.workflow.steps.transcribe).toMatchObject({ provider: 'first', attempt: 1 })
    })

    test('when its only repeat was lost as well', () => {
      const lost = { kind: 'tryAgain', afterMs: 1, call: 'ambiguous', job: 'keep', because: 'failed' } as const
      const once = settleStep(second, lost, 40)
      const twice = settleStep(claimStep(once.next, taskFor(once, 'transcribe'), 50, { providers: jobs }), lost, 60)
      const again = claimStep(twice.next, taskFor(twice, 'transcribe'), 70, { providers: jobs })
      expect(again.workflow.steps.transcribe).toMatchObject({ provider: 'first', passedOver: ['second'] })
    })
  })

  test('is not asked for an upgrade, which nobody waits for', () => {
    const upgrade: GenerationView<Order> = {
      ...held.workflow,
      replaces: { step: 'write', steps: held.workflow.steps, results: {} },
    }
    const task = taskFor(transcribed, 'write')
    const again = claimStep(upgrade, task, 10 + LEASE_MS, { providers })
    expect(askFor(again.workflow, task, 10 + 2 * LEASE_MS, { providers })).toMatchObject({ kind: 'gaveUp' })
  })

  test('is stayed with until the step is done', () => {
    let moves = settleStep(held, { ...NEXT, call: 'ended' }, 20)
    moves = settleStep(claimStep(moves.next, taskFor(moves, 'write'), 30, { providers }), waitingFor('second', 5), 31)
    const again = claimStep(moves.next, taskFor(moves, 'write'), 40, { providers })
    expect(again.workflow.steps.write.provider).toBe('second')
    expect(settleStep(again, doneAs('write'), 50).next.steps.write.provider).toBe('second')
  })
})
