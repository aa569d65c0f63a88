import { describe, expect, test } from 'vitest'

import { cancel, start } from '../../../shared/engine/transitions/owner.ts'
import { heldStep } from '../../../shared/engine/transitions/moved.ts'
import { renew } from '../../../shared/engine/transitions/renew.ts'
import type { RenewEvent } from '../../../shared/engine/transitions/renew.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import { hasten } from '../../../shared/engine/transitions/webhook.ts'
import type { Outcome } from '../../../shared/engine/outcome.ts'
import { FAKE_PIPELINE } from './fake-pipeline.ts'
import type { Order } from './fake-pipeline.ts'
import {
  againAfter,
  askFor,
  carryOut,
  carryOutAll,
  claimStep,
  holdStep,
  doneAs,
  draft,
  FAILED,
  LEASE_MS,
  pollingAfter,
  PROBLEM,
  resultOf,
  settleStep,
  started,
  taskFor,
  waitingFor,
} from './order-fixtures.ts'
import type { Held } from './order-fixtures.ts'

/** As often as an attempt may end in a crash or an unexpected failure, whatever the product says. */
const ATTEMPTS = 5

const renewal = ({ fence }: Held, job: RenewEvent['job'] = {}): RenewEvent => ({
  fence,
  leaseMs: LEASE_MS,
  job,
  activity: undefined,
})
const startAgain = (order: Order, nowMs: number) => start(FAKE_PIPELINE, order, {}, nowMs)
const cancelNow = (order: Order, nowMs: number) => cancel(FAKE_PIPELINE, order, {}, nowMs)

describe('a pipeline', () => {
  test('goes transcribe, then write and voice in parallel, then master, then finish', () => {
    expect(carryOutAll(started())).toMatchObject({
      ready: [
        ['start', ['transcribe']],
        ['transcribe', ['write', 'voice']],
        ['write', []],
        ['voice', ['master']],
        ['master', ['finish']],
        ['finish', []],
      ],
      end: { status: 'ready' },
    })
  })

  test('passes over a step that says so', () => {
    const { ready, end } = carryOutAll(started({ silent: true }))
    expect(ready.slice(1, 3)).toEqual([
      ['transcribe', ['write']],
      ['write', ['master']],
    ])
    expect(end.steps.voice.state).toBe('skipped')
  })
})

describe('a claim', () => {
  const moved = started()
  const task = taskFor(moved, 'transcribe')

  test('is refused while another attempt holds the step, and granted when its lease has run out', () => {
    const first = claimStep(moved.next, task, 10)
    expect(askFor(first.workflow, task, 10 + LEASE_MS - 1)).toMatchObject({ kind: 'busy' })
    expect(askFor(first.workflow, task, 10 + LEASE_MS)).toMatchObject({ kind: 'claimed', resumesIntent: true })
  })

  test('by a task that gave way to a newer one changes nothing', () => {
    const polling = settleStep(claimStep(moved.next, task, 10), pollingAfter(99), 11)
    expect(askFor(polling.next, task, 12)).toMatchObject({ kind: 'stale' })
  })

  test('by a task of an older generation, or of another status, changes nothing', () => {
    const cancelled = cancelNow(moved.next, 5).next
    expect(askFor(cancelled, task, 6)).toMatchObject({ kind: 'stale', tasks: [] })
    expect(askFor(startAgain(cancelled, 7).next, task, 8)).toMatchObject({ kind: 'stale' })
  })

  test('by a redelivered task whose work is done names what must still be enqueued', () => {
    const done = carryOut(moved.next, task, 10)
    const tasks = [{ step: 'write' }, { step: 'voice' }]
    expect(askFor(done.next, task, 11)).toMatchObject({ kind: 'stale', tasks })
  })

  test('after five crashes ends the step with a visible, retryable error', () => {
    let [order, nowMs] = [moved.next, 10]
    for (let crash = 0; crash < ATTEMPTS; crash++, nowMs += 20 * LEASE_MS)
      ({ workflow: order } = claimStep(order, task, nowMs))
    expect(askFor(order, task, nowMs)).toMatchObject({
      kind: 'gaveUp',
      moved: { next: { status: 'error', error: { code: 'attempts_exhausted', retryable: true } } },
    })
  })

  test('repeats a paid call whose end nobody saw once, and no more', () => {
    const transcribed = carryOut(moved.next, task, 10)
    const write = taskFor(transcribed, 'write')
    let order = transcribed.next
    for (let call = 0; call < 2; call++) ({ workflow: order } = claimStep(order, write, 20 + call * LEASE_MS))
    expect(order.steps.write.paid).toMatchObject({ calls: 2, repeats: 1, open: true })
    expect(askFor(order, write, 20 + 5 * LEASE_MS)).toMatchObject({ kind: 'gaveUp' })
  })

  test('counts no repeat when the call before was never made, or its end was seen', () => {
    let moves = carryOut(moved.next, task, 10)
    for (let failure = 0; failure < ATTEMPTS - 1; failure++)
      moves = settleStep(claimStep(moves.next, taskFor(moves, 'write'), 20 + failure), againAfter(1), 20 + failure)
    expect(moves.next.steps.write.paid).toMatchObject({ repeats: 0, open: false })
  })

  test.each(['keep', 'drop'] as const)('looks for a new job exactly when the old one has ended (%s)', (job) => {
    const holding = claimStep(moved.next, task, 10)
    const again = settleStep(holding, againAfter(5, { job }), 15)
    const before = holding.workflow.steps.transcribe.job?.key
    expect(again.next.steps.transcribe.job?.key).toBe(job === 'drop' ? undefined : before)
    expect(claimStep(again.next, taskFor(again, 'transcribe'), 30).resumesIntent).toBe(job === 'keep')
  })

  test('counts no repeat when the result of the call before was found', () => {
    const transcribed = carryOut(moved.next, task, 10)
    const write = taskFor(transcribed, 'write')
    const second = holdStep(claimStep(transcribed.next, write, 20).workflow, write, 20 + LEASE_MS)
    const done = settleStep(second, { kind: 'adopted', result: resultOf('write') }, 30 + LEASE_MS)
    expect(done.next.steps.write.paid).toMatchObject({ calls: 1, repeats: 0, open: false, isRepeat: false })
  })

  test('whose call was never made leaves open what became of the one before it', () => {
    const transcribed = carryOut(moved.next, task, 10)
    const write = taskFor(transcribed, 'write')
    const crashed = claimStep(transcribed.next, write, 20).workflow
    const second = claimStep(crashed, write, 20 + LEASE_MS)
    expect(second.workflow.steps.write.paid).toMatchObject({ calls: 2, repeats: 1 })
    const waits = settleStep(second, waitingFor('gcs', 10, { call: 'unsent' }), 30 + LEASE_MS)
    expect(waits.next.steps.write.paid).toMatchObject({ calls: 1, repeats: 0, open: true })
    expect(claimStep(waits.next, taskFor(waits, 'write'), 50 + LEASE_MS).resumesIntent).toBe(true)
  })

  test('with only the fallback left finds the result of a repeat, and tells that there was one', () => {
    const transcribed = carryOut(moved.next, task, 10)
    const write = taskFor(transcribed, 'write')
    let { workflow: order } = claimStep(transcribed.next, write, 20)
    ;({ workflow: order } = claimStep(order, write, 20 + LEASE_MS))
    const third = claimStep(order, write, 20 + 2 * LEASE_MS, { mayFallBack: true })
    const done = settleStep(third, { kind: 'adopted', result: resultOf('write') }, 30 + 2 * LEASE_MS)
    expect(done.next.steps.write.paid).toMatchObject({ calls: 2, repeats: 1, open: false })
  })
})

describe('a worker that has lost its step', () => {
  const moved = started()
  const task = taskFor(moved, 'transcribe')
  const first = claimStep(moved.next, task, 10)
  const second = claimStep(first.workflow, task, 10 + LEASE_MS)

  test.each<[string, Outcome]>([
    ['done', doneAs('transcribe')],
    ['adopted', { kind: 'adopted', result: resultOf('transcribe') }],
    ['fellBack', { kind: 'fellBack', result: {}, degraded: 'x', call: 'ended', upgrade: { kind: 'never' } }],
    ['failed', FAILED],
    ['polling', pollingAfter(1)],
    ['waiting', waitingFor('x', 1)],
    ['tryAgain', againAfter(1)],
    ['passedOver', { kind: 'passedOver', provider: 'x', call: 'ended' }],
    ['passedOverAway', { kind: 'passedOverAway', provider: 'x', call: 'ended', awaySinceMs: 1 }],
    ['cameBack', { kind: 'cameBack', provider: 'x', call: 'ended', awaySinceMs: 1 }],
    ['gaveBack', { kind: 'gaveBack', provider: 'x', call: 'ended' }],
  ])('changes nothing by settling as %s', (_name, outcome) => {
    const event = { fence: first.fence, outcome, cost: { calls: 1 } }
    expect(settle(FAKE_PIPELINE, second.workflow, event, 40_000)).toBeUndefined()
  })

  test('changes nothing by a heartbeat', () => {
    expect(renew(FAKE_PIPELINE, second.workflow, renewal(first), 40_000)).toBeUndefined()
  })

  test('changes nothing after a cancel, nor after a delete', () => {
    expect(heldStep(cancelNow(second.workflow, 5).next, second.fence)).toBeUndefined()
    expect(heldStep({ ...second.workflow, deletedAtMs: 5 }, second.fence)).toBeUndefined()
  })
})

test('a workflow remembers the forty jobs that were made for it last, oldest first', () => {
  const moved = started()
  const held = claimStep(moved.next, taskFor(moved, 'transcribe'), 10)
  let { workflow: order } = held
  for (let job = 1; job <= 45; job++)
    order = renew(FAKE_PIPELINE, order, renewal(held, { providerJobId: `j${job}` }), 10 + job)?.next ?? draft()
  expect(order.jobs?.map(({ id }) => id)).toEqual(Array.from({ length: 40 }, (_, at) => `j${at + 6}`))
})

describe('waiting for a service', () => {
  const moved = started()

  test('costs no attempt, however often', () => {
    let moves = moved
    for (let wait = 0; wait < 50; wait++) {
      const holding = claimStep(moves.next, taskFor(moves, 'transcribe'), wait * 1000 + 10)
      moves = settleStep(holding, waitingFor('transcribe-1', 880), wait * 1000 + 20)
    }
    expect(moves.next.steps.transcribe).toMatchObject({ state: 'waiting', attempt: 1, unavailable: { waits: 50 } })
  })

  test('names the service, since when it is away, and until when it is waited for', () => {
    const holding = claimStep(moved.next, taskFor(moved, 'transcribe'), 10)
    const { next, tasks } = settleStep(holding, waitingFor('firestore', 500, { sinceMs: 7 }), 100)
    expect(next.steps.transcribe.unavailable).toEqual({ service: 'firestore', sinceMs: 7, waits: 1, untilMs: 600 })
    expect(tasks).toEqual([{ step: 'transcribe', generation: 1, dispatch: 2, notBeforeMs: 600 }])
  })
})

describe('a webhook', () => {
  const moved = started()
  const holding = claimStep(moved.next, taskFor(moved, 'transcribe'), 10)
  const known = renew(FAKE_PIPELINE, holding.workflow, renewal(holding, { providerJobId: 'j1' }), 11)?.next ?? draft()
  const withJob = { ...holding, workflow: known }
  const hastenNow = (order: Order, nowMs: number) => hasten(FAKE_PIPELINE, order, { step: 'transcribe' }, nowMs)

  test('makes a waiting step be looked at now, under a name of its own', () => {
    const polling = settleStep(withJob, pollingAfter(60_000), 12)
    const hastened = hastenNow(polling.next, 13)
    expect(hastened?.tasks).toMatchObject([{ step: 'transcribe', notBeforeMs: 13 }])
    expect(hastened?.tasks[0]?.dispatch).toBeGreaterThan(polling.tasks[0]?.dispatch ?? 99)
  })

  test('that comes while the step is held makes the next look come at once', () => {
    const told = hastenNow(known, 12)?.next ?? draft()
    const polling = settleStep({ ...holding, workflow: told }, pollingAfter(60_000), 13)
    expect(polling.tasks).toMatchObject([{ notBeforeMs: 13 }])
    expect(polling.next.steps.transcribe.job).not.toHaveProperty('webhookCame')
  })

  test('after the step is done, or the order deleted, changes nothing', () => {
    expect(hastenNow(settleStep(withJob, doneAs('transcribe'), 14).next, 15)).toBeUndefined()
    expect(hastenNow({ ...known, deletedAtMs: 14 }, 15)).toBeUndefined()
  })
})

describe('a retry', () => {
  test('keeps finished steps, asks again for a living job, and starts over what failed', () => {
    let moved = started()
    moved = carryOut(moved.next, taskFor(moved, 'transcribe'), 2)
    const failed = settleStep(claimStep(moved.next, taskFor(moved, 'write'), 3), FAILED, 4)
    const again = startAgain(failed.next, 5)
    expect(again.next.steps.transcribe.state).toBe('done')
    expect(again.next).not.toHaveProperty('error')
    expect(again.tasks.map(({ step, generation }) => `${step} ${generation}`)).toEqual(['write 2', 'voice 2'])
  })

  test('looks for a job only when whoever may still be making it cannot any more', () => {
    const first = started(undefined, 0)
    const { workflow: order } = claimStep(first.next, taskFor(first, 'transcribe'), 100)
    const again = startAgain(cancelNow(order, 200).next, 300)
    const task = taskFor(again, 'transcribe')
    expect(task.notBeforeMs).toBe(100 + LEASE_MS)
    expect(askFor(again.next, task, 400)).toEqual({ kind: 'busy', untilMs: 100 + LEASE_MS })
    expect(claimStep(again.next, task, 100 + LEASE_MS).resumesIntent).toBe(true)
  })

  test('keeps the result of a parallel step that finished after the order had failed', () => {
    let moved = started()
    moved = carryOut(moved.next, taskFor(moved, 'transcribe'), 2)
    const writing = claimStep(moved.next, taskFor(moved, 'write'), 3)
    const voicing = claimStep(writing.workflow, taskFor(moved, 'voice'), 4)
    const failed = settleStep({ ...writing, workflow: voicing.workflow }, FAILED, 5)
    const late = settleStep({ ...voicing, workflow: failed.next }, doneAs('voice'), 6)
    expect(late.next.status).toBe('error')
    expect(late.next.error).toEqual(PROBLEM)
    expect(late.tasks).toEqual([])
    expect(startAgain(late.next, 7).tasks.map(({ step }) => step)).toEqual(['write'])
  })
})
