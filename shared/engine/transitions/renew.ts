import type { Pipeline } from '../definition.ts'
import type { CallEnd, Receipt } from '../outcome.ts'
import type { KnownOfJob, Step, Workflow } from '../workflow.ts'
import { recordCall } from './charges.ts'
import { heldStep, release, withStep } from './moved.ts'
import type { Fence, Moved } from './moved.ts'
import { settleCall } from './paid-calls.ts'

/** Jobs at providers that a workflow remembers, so that deleting it reaches them. */
const JOBS_REMEMBERED = 40

export type RenewEvent = {
  readonly fence: Fence
  readonly leaseMs: number
  /** What has become known of the provider's job; empty for a heartbeat. */
  readonly job: KnownOfJob
  /** What the work is at, where it says so. */
  readonly activity: string | undefined
  /** A call that is about to be made, and may be charged: to whom, and what is known of its cost. */
  readonly call?: Pick<Receipt, 'provider' | 'cost'> | undefined
}

/** The holder renews its lease, and records what it knows. Undefined: the step is not the holder's any more. */
export function renew<W extends Workflow>(
  _pipeline: Pipeline,
  workflow: W,
  { fence, leaseMs, job, activity, call }: RenewEvent,
  nowMs: number,
): Moved<W> | undefined {
  const held = heldStep(workflow, fence)
  if (held === undefined) return undefined
  const before = { workflow, step: held }
  const { workflow: charged, step } = call === undefined ? before : recordCall(before, fence.token, call)
  const newId = job.providerJobId === step.job?.providerJobId ? undefined : job.providerJobId
  const renewed: Step = {
    ...step,
    lease: { token: fence.token, untilMs: nowMs + leaseMs },
    ...(newId !== undefined && { progressAtMs: nowMs }),
    ...(step.job && { job: { ...step.job, ...job } }),
    ...(activity !== undefined && { activity: { atMs: nowMs, what: activity } }),
  }
  const next = withStep(charged, fence.step, renewed, nowMs)
  if (newId === undefined) return { next, tasks: [] }
  const made = { step: fence.step, provider: step.provider ?? '', id: newId }
  return { next: { ...next, jobs: [...(workflow.jobs ?? []), made].slice(-JOBS_REMEMBERED) }, tasks: [] }
}

/** The holder stops before its end, as an instance does that is shut down: the same task goes on at once elsewhere. */
export function letGo<W extends Workflow>(
  _pipeline: Pipeline,
  workflow: W,
  { fence, call }: { readonly fence: Fence; readonly call: CallEnd },
  nowMs: number,
): Moved<W> | undefined {
  const step = heldStep(workflow, fence)
  if (step === undefined) return undefined
  const free: Step = {
    ...release(step.paid?.by === fence.token ? settleCall(step, call) : step, 'pending'),
    attempt: Math.max(0, step.attempt - 1),
    nextCheckAtMs: nowMs,
    progressAtMs: nowMs,
  }
  return { next: withStep(workflow, fence.step, free, nowMs), tasks: [] }
}
