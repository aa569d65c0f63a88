import type { Outcome } from '../../../shared/engine/outcome.ts'
import type { Problem, ProblemWords } from '../../../shared/engine/problem.ts'
import type { StepTask } from '../../../shared/engine/task.ts'
import { claim } from '../../../shared/engine/transitions/claim.ts'
import type { Claim, ClaimEvent } from '../../../shared/engine/transitions/claim.ts'
import type { Fence, Moved } from '../../../shared/engine/transitions/moved.ts'
import { start } from '../../../shared/engine/transitions/owner.ts'
import { settle } from '../../../shared/engine/transitions/settle.ts'
import type { Workflow } from '../../../shared/engine/workflow.ts'
import { FAKE_PIPELINE, FAKE_PROVIDERS, newOrder } from './fake-pipeline.ts'
import type { FakeStepName, Order } from './fake-pipeline.ts'

/* An order in the hands of a test, and what can be done to it. */

export const PROBLEM: Problem = { code: 'attempts_exhausted', message: 'gave up', retryable: true, error_id: 'e1' }
export const NOT_ACCEPTED: ProblemWords = { code: 'provider_rejected', message: 'not accepted', retryable: false }
export const LEASE_MS = 20_000

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

/** Each step has one provider, unless `more` says otherwise. */
export function claimEvent(task: StepTask, token: string, more: Partial<ClaimEvent> = {}): ClaimEvent {
  return {
    task,
    token,
    leaseMs: LEASE_MS,
    providers: FAKE_PROVIDERS[task.step]?.slice(0, 1) ?? [],
    newJob: { key: 'job', webhookToken: 'hook' },
    errorId: PROBLEM.error_id,
    mayFallBack: false,
    ...more,
  }
}

/** What comes of asking for a step. */
export function askFor(order: Order, task: StepTask, nowMs: number, more: Partial<ClaimEvent> = {}): Claim<Order> {
  return claim<Order>(FAKE_PIPELINE, order, claimEvent(task, `token-${nowMs}`, more), nowMs)
}

/** A step in the hands of an attempt. */
export type Held = { readonly order: Order; readonly fence: Fence; readonly resumesIntent: boolean }

export function claimStep(order: Order, task: StepTask, nowMs: number, more: Partial<ClaimEvent> = {}): Held {
  const asked = askFor(order, task, nowMs, more)
  if (asked.kind !== 'claimed') throw new Error(`expected a claim, got ${asked.kind}`)
  return { order: asked.moved.next, fence: asked.fence, resumesIntent: asked.resumesIntent }
}

export function settleStep(
  { order, fence }: Omit<Held, 'resumesIntent'>,
  outcome: Outcome,
  nowMs: number,
): Moved<Order> {
  const moved = settle(FAKE_PIPELINE, order, { fence, outcome, cost: undefined }, nowMs)
  if (moved === undefined) throw new Error('the step is held by another attempt')
  return moved
}

export function doneAs(step: FakeStepName): Outcome {
  return { kind: 'done', result: resultOf(step), by: undefined, degraded: undefined }
}
export const FAILED: Outcome = { kind: 'failed', problem: PROBLEM, call: 'ended' }

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

/** Carries out one task at once and successfully. */
export function carryOut(order: Order, task: StepTask, nowMs: number): Moved<Order> {
  return settleStep(claimStep(order, task, nowMs), doneAs(task.step as FakeStepName), nowMs)
}

export function taskFor({ tasks }: Pick<Moved<Order>, 'tasks'>, step: FakeStepName): StepTask {
  const task = tasks.find((one) => one.step === step)
  if (task === undefined) throw new Error(`no task for ${step}`)
  return task
}
