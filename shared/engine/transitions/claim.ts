import { specOf } from '../definition.ts'
import type { Pipeline, StepKind, StepSpec } from '../definition.ts'
import { ATTEMPTS_MAX } from '../limits.ts'
import { ATTEMPTS_EXHAUSTED, problemOf } from '../problem.ts'
import type { StepTask } from '../task.ts'
import { stepOf, without } from '../workflow.ts'
import type { GenerationView, Step, Workflow } from '../workflow.ts'
import { tellLost } from './charges.ts'
import { countLoss, heldUntilMs } from './lost-attempts.ts'
import { fail, isOpen, outstandingTasks, withStep } from './moved.ts'
import type { Fence, Moved } from './moved.ts'
import { isSpent, writeOffCalls } from './paid-calls.ts'
import { awayFrom, comeBack, giveBack, passOver, passOverAway, reopenCall } from './pass-over.ts'

/** A provider that a step may go to, and whether it does jobs or calls. */
export type ProviderChoice = { readonly name: string; readonly kind: Exclude<StepKind, 'plain'> }

/** A worker asks for the step that its task names. */
export type ClaimEvent = {
  readonly task: StepTask
  /** Random: names the attempt. */
  readonly token: string
  readonly leaseMs: number
  /** In order of preference. */
  readonly providers: readonly ProviderChoice[]
  /** The job there will be, should there be none. */
  readonly newJob: { readonly key: string; readonly webhookToken: string }
  /** Of the problem it may have to end with. */
  readonly errorId: string
  /** Whether a step whose provider has had all its attempts may still do without it. */
  readonly mayFallBack: boolean
}

export type Claim<W extends Workflow> =
  | {
      kind: 'claimed'
      moved: Moved<W>
      fence: Fence
      provider: ProviderChoice | undefined
      resumesIntent: boolean
      /** `fallBack`: the provider has had all its attempts, and only the fallback is left. */
      todo: 'run' | 'fallBack'
    }
  | { kind: 'gaveUp'; moved: Moved<W> }
  /** The task is of no use any more; `tasks` are what it led to, which may never have been enqueued. */
  | { kind: 'stale'; reason: string; tasks: StepTask[] }
  | { kind: 'busy'; untilMs: number }

export function claim<W extends Workflow>(
  pipeline: Pipeline,
  workflow: GenerationView<W>,
  event: ClaimEvent,
  nowMs: number,
): Claim<GenerationView<W>> {
  const { task } = event
  const reason = reasonOfStaleness(workflow, task)
  if (reason !== undefined) return { kind: 'stale', reason, tasks: outstandingTasks(workflow, task.generation) }
  const step = stepOf(workflow, task.step)
  const untilMs = heldUntilMs(step, event.leaseMs)
  if (untilMs > nowMs) return { kind: 'busy', untilMs }
  return claimFree(pipeline, workflow, { step, event }, nowMs)
}

/** Claims a step that nobody holds: for its provider, else for the next, else for its fallback, else it has failed. */
function claimFree<W extends Workflow>(
  pipeline: Pipeline,
  workflow: GenerationView<W>,
  { step: found, event }: { step: Step; event: ClaimEvent },
  nowMs: number,
): Claim<GenerationView<W>> {
  const { task, token, mayFallBack } = event
  const provider = chooseProvider(specOf(pipeline, task.step), workflow, found, event.providers)
  const step = provider?.kind === 'call' ? withCallsOf(found, provider.name, nowMs) : found
  // A job is its own provider's, and means nothing to another.
  const isOthers = provider !== undefined && step.job?.provider !== undefined && step.job.provider !== provider.name
  const left = step.lostJobs?.find((one) => one.provider === provider?.name && one.removedAtMs === undefined)
  const job = isOthers ? undefined : (step.job ?? left)
  const otherLostJobs = step.lostJobs?.filter((one) => one !== left) ?? []
  const leftOpen = step.paid?.open === true
  const asksForJob = job?.providerJobId !== undefined
  const attempt = step.state === 'waiting' && (asksForJob || step.unavailable) ? step.attempt : step.attempt + 1
  const isRefused = step.onlyFallback !== undefined
  const spent = isRefused || attempt > ATTEMPTS_MAX || (provider?.kind === 'call' && isSpent(step))
  const elsewhere = spent && !isRefused ? leaveProvider(workflow, step, { provider, event }, nowMs) : undefined
  if (elsewhere !== undefined) {
    const claimed = claimFree(pipeline, workflow, { step: elsewhere, event }, nowMs)
    // What its last call has left, should it have left anything, is as good as the next provider's.
    return claimed.kind === 'claimed' ? { ...claimed, resumesIntent: claimed.resumesIntent || leftOpen } : claimed
  }
  const fallsBack = spent && mayFallBack && step.noFallback === undefined && attempt <= ATTEMPTS_MAX + 1
  if (spent && !fallsBack) {
    const problem = problemOf(ATTEMPTS_EXHAUSTED, event.errorId)
    const told = tellLost({ workflow, step })
    return {
      kind: 'gaveUp',
      moved: fail(withStep(told.workflow, task.step, told.step, nowMs), task.step, problem, nowMs),
    }
  }
  const isProgress = !(step.state === 'waiting' && asksForJob && !step.unavailable)
  const claimed: Step = {
    ...without(step, 'nextCheckAtMs', 'job', 'lostJobs'),
    ...(job && { job }),
    ...(otherLostJobs.length > 0 && { lostJobs: otherLostJobs }),
    state: 'running',
    attempt: Math.max(1, attempt),
    startedAtMs: step.startedAtMs ?? nowMs,
    lease: { token, untilMs: nowMs + event.leaseMs },
    ...countLoss(step),
    ...(provider && { provider: provider.name }),
    ...(isProgress && { progressAtMs: nowMs }),
    ...(provider?.kind === 'job' &&
      job === undefined && { job: { ...event.newJob, provider: provider.name, polls: 0 } }),
  }
  return {
    kind: 'claimed',
    moved: { next: withStep(workflow, task.step, claimed, nowMs), tasks: [] },
    fence: { generation: task.generation, step: task.step, token },
    provider,
    resumesIntent: job !== undefined || leftOpen,
    todo: spent ? 'fallBack' : 'run',
  }
}

/** The step with its paid calls as they are at a provider: those that it waited for as lost have ended by now. */
function withCallsOf(found: Step, provider: string, nowMs: number): Step {
  const step = reopenCall(found, provider)
  const { lostUntilMs = Infinity } = step.paid ?? {}
  return lostUntilMs <= nowMs ? { ...step, ...writeOffCalls(step) } : step
}

/** The provider a step is with, as long as it is configured; else the first that it has not given up on. */
function chooseProvider(
  spec: StepSpec,
  workflow: GenerationView,
  { provider, job, passedOver = [] }: Step,
  providers: readonly ProviderChoice[],
): ProviderChoice | undefined {
  if (spec.needsProvider?.(workflow) === false) return undefined
  const left = providers.filter(({ name }) => !passedOver.includes(name))
  return left.find(({ name }) => name === (job?.provider ?? provider)) ?? left[0] ?? providers.at(-1)
}

/**
 * The step with the next provider, else with those that were only away, who have spent nothing; undefined where there is
 * none. Nobody waits for an upgrade: it is not worth a second provider.
 */
function leaveProvider(
  workflow: GenerationView,
  step: Step,
  { provider, event }: { provider: ProviderChoice | undefined; event: ClaimEvent },
  nowMs: number,
): Step | undefined {
  if (provider === undefined || workflow.replaces !== undefined) return undefined
  const { name } = provider
  // Who has lost a call and its repeat has refused nothing: a day later it may be asked once more.
  const awaySinceMs = isSpent(step) ? (step.unavailable?.sinceMs ?? nowMs) : undefined
  const given = new Set([...(step.passedOver ?? []), name])
  if (event.providers.some((other) => !given.has(other.name)))
    return awaySinceMs === undefined ? passOver(step, name, nowMs) : passOverAway(step, name, nowMs, awaySinceMs)
  if (event.mayFallBack || awayFrom(step).length === 0) return undefined
  return awaySinceMs === undefined ? giveBack(step, name, nowMs) : comeBack(step, name, nowMs, awaySinceMs)
}

function reasonOfStaleness(workflow: Workflow, task: StepTask): string | undefined {
  if (workflow.deletedAtMs !== undefined) return 'it is deleted'
  if (workflow.generation !== task.generation) return `generation ${task.generation} is over`
  if (workflow.status !== 'processing') return `it is ${workflow.status}`
  const step = stepOf(workflow, task.step)
  if (!isOpen(step)) return `the step is ${step.state}`
  if (step.dispatch !== task.dispatch) return `task ${task.dispatch} gave way to ${step.dispatch}`
  return undefined
}
