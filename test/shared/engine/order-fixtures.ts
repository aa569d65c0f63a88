import type { Outcome } from '../../../shared/engine/outcome.ts'
import type { ProblemWords } from '../../../shared/engine/problem.ts'
import type { Moved } from '../../../shared/engine/transitions/moved.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import type { Workflow } from '../../../shared/engine/workflow.ts'
import { FAKE_PIPELINE, FAKE_PROVIDERS, newOrder } from './fake-pipeline.ts'
import type { FakeStepName, Order } from './fake-pipeline.ts'
import { handsOn, PROBLEM } from './hands-on.ts'
import type { Held as HeldOf } from './hands-on.ts'

export { FAILED, LEASE_MS, PROBLEM } from './hands-on.ts'
export type Held = HeldOf<Order>

/* An order in the hands of a test, and what can be done to it. */

export const NOT_ACCEPTED: ProblemWords = { code: 'provider_rejected', message: 'not accepted', retryable: false }

export const resultOf = (step: FakeStepName) => ({ by: `${step}-1` })

/** An order that was created at time 0. */
export function draft(more: Partial<Order> = {}): Order {
  return { ...newOrder(), ...more }
}

export function started(more?: Partial<Order>, nowMs = 1): Moved<Order> {
  return start(FAKE_PIPELINE, draft(more), {}, nowMs)
}

/** Whether there may be files of an order; of a draft, what its owner has brought. */
export function mayHoldFiles({ status, brought }: Workflow & { brought?: boolean }): boolean {
  return status !== 'draft' || brought === true
}

/** No queue has the task. */
export const NOWHERE = () => ({ kind: 'gone' }) as const

/** Each step has one provider, unless an event says otherwise. */
export const { claimEvent, askFor, holdStep, claimStep, settleStep, doneAs, carryOut, carryOutAll, taskFor } = handsOn<
  Order,
  FakeStepName
>(FAKE_PIPELINE, { providersOf: (step) => FAKE_PROVIDERS[step]?.slice(0, 1) ?? [], resultOf })

export function pollingAfter(afterMs: number): Outcome {
  return { kind: 'polling', afterMs, activity: undefined }
}

type Waiting = Extract<Outcome, { kind: 'waiting' }>

export function waitingFor(service: string, afterMs: number, more: Partial<Waiting> = {}): Waiting {
  const rest = { sinceMs: 0, problem: PROBLEM, call: 'unsent', fallback: { kind: 'unknown' } } as const
  return { kind: 'waiting', service, afterMs, ...rest, ...more }
}

export function againAfter(afterMs: number, more: Partial<Extract<Outcome, { kind: 'tryAgain' }>> = {}): Outcome {
  return { kind: 'tryAgain', afterMs, call: 'ended', job: 'keep', because: 'failed', ...more }
}
