import type { Pipeline } from '../definition.ts'
import { nameAttempt } from '../history.ts'
import type { AttemptCost, FallbackFound, Outcome, UpgradePlan } from '../outcome.ts'
import { stepOf, without } from '../workflow.ts'
import type { Step, Workflow } from '../workflow.ts'
import { charge, settleCharge, tellLost } from './charges.ts'
import { dispatch, fail, heldStep, isOver, release, startReady, withStep } from './moved.ts'
import type { Fence, Moved } from './moved.ts'
import { comeBack, giveBack, giveBackLost, passOver, passOverAway } from './pass-over.ts'
import { awaitLostCalls, closeCall, settleCall } from './paid-calls.ts'

export type SettleEvent = {
  readonly fence: Fence
  readonly outcome: Outcome
  /** What the attempt has cost at its provider, whatever came of it. */
  readonly cost: AttemptCost
}

/** Who did a step without its provider. */
const BY_US = 'here'

/** The holder's attempt has ended. Undefined: the step is not the holder's any more, and nothing changes. */
export function settle<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  { fence, outcome, cost }: SettleEvent,
  nowMs: number,
): Moved<W> | undefined {
  const step = heldStep(workflow, fence)
  if (step === undefined) return undefined
  const { workflow: charged, step: counted } = settleCharges({ workflow, step }, { fence, outcome, cost })
  const isOwnCall = step.paid?.by === fence.token
  const told = 'call' in outcome && !isOwnCall ? { ...outcome, call: 'unknown' as const } : outcome
  return settleStep(pipeline, charged, { name: fence.step, step: without(counted, 'lostInARow'), outcome: told }, nowMs)
}

/** What the attempt's call or job has cost, or the call whose result it has found; what nobody saw the end of is told, too. */
function settleCharges<W extends Workflow>(
  before: { readonly workflow: W; readonly step: Step },
  { fence: { token }, outcome, cost }: SettleEvent,
): { readonly workflow: W; readonly step: Step } {
  if (outcome.kind === 'adopted')
    return tellLost(outcome.receipt === undefined ? before : charge(before, outcome.receipt))
  const call = 'call' in outcome ? outcome.call : 'unknown'
  const { provider } = before.step
  return tellLost(settleCharge(before, { attempt: nameAttempt(token), provider, call, cost }))
}

function settleStep<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  { name, step, outcome }: { name: string; step: Step; outcome: Outcome },
  nowMs: number,
): Moved<W> {
  switch (outcome.kind) {
    case 'done':
    case 'adopted':
    case 'fellBack':
      return finishStep(
        pipeline,
        workflow,
        { name, step: endStep(step, outcome, nowMs), result: outcome.result },
        nowMs,
      )
    case 'failed': {
      const ended = withStep(workflow, name, settleCall(step, outcome.call), nowMs)
      return fail(ended, name, outcome.problem, nowMs)
    }
    case 'polling':
      return pollAgain(workflow, name, { step, outcome }, nowMs)
    case 'waiting': {
      const { service, sinceMs, problem, fallback } = outcome
      const untilMs = nowMs + outcome.afterMs
      const settled = settleCall(step, outcome.call)
      const free = release(outcome.callsLost === true ? awaitLostCalls(settled, untilMs) : settled, 'waiting')
      const waiting: Step = {
        ...(outcome.job === 'drop' ? dropJob(free) : free),
        error: problem,
        unavailable: { service, sinceMs, waits: (step.unavailable?.waits ?? 0) + 1, untilMs },
        ...(outcome.unfetched === 1 && { unfetched: (step.unfetched ?? 0) + 1 }),
        ...recordFallback(fallback),
      }
      return dispatch(workflow, name, waiting, nowMs, untilMs)
    }
    case 'tryAgain': {
      const free = release(settleCall(step, outcome.call), 'pending')
      const kept = outcome.job === 'drop' ? dropJob(free) : free
      const unreadable = outcome.because === 'unreadable' && { unreadable: (step.unreadable ?? 0) + 1 }
      return dispatch(workflow, name, { ...kept, ...unreadable }, nowMs, nowMs + outcome.afterMs)
    }
    case 'gaveBackLater': {
      const { provider, service, afterMs, problem } = outcome
      const untilMs = nowMs + afterMs
      const back = giveBackLost(release(settleCall(step, outcome.call), 'waiting'), provider, nowMs, service)
      const unavailable = { service, sinceMs: nowMs, waits: 1, untilMs }
      const waiting = { ...awaitLostCalls(back, untilMs), error: problem, unavailable }
      return dispatch(workflow, name, waiting, nowMs, untilMs)
    }
    case 'passedOver':
    case 'passedOverAway':
    case 'cameBack':
    case 'gaveBack': {
      const free = release(settleCall(step, outcome.call), 'pending')
      return dispatch(workflow, name, changeProvider(free, outcome, nowMs), nowMs)
    }
  }
}

/** The step without its job: another one is made. */
function dropJob(step: Step): Step {
  const startsInVain = (step.startsInVain ?? 0) + (step.job?.starts?.count ?? 0)
  return { ...without(step, 'job'), ...(startsInVain > 0 && { startsInVain }) }
}

type ProviderLeft = Extract<Outcome, { kind: 'passedOver' | 'passedOverAway' | 'cameBack' | 'gaveBack' }>

/** The step with its next provider; with those again that were only away, when there is no other. */
function changeProvider(step: Step, outcome: ProviderLeft, nowMs: number): Step {
  switch (outcome.kind) {
    case 'passedOver':
      return passOver(step, outcome.provider, nowMs)
    case 'passedOverAway':
      return passOverAway(step, outcome.provider, nowMs, outcome.awaySinceMs)
    case 'cameBack':
      return comeBack(step, outcome.provider, nowMs, outcome.awaySinceMs)
    case 'gaveBack':
      return giveBack(step, outcome.provider, nowMs)
  }
}

function recordFallback(found: FallbackFound): Pick<Step, 'noFallback' | 'onlyFallback'> {
  switch (found.kind) {
    case 'unknown':
      return {}
    case 'none':
      return { noFallback: found.why }
    case 'only':
      return { onlyFallback: found.because }
  }
}

/** Stores a step's result, and makes tasks for what has become ready with it. */
function finishStep<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  { name, step, result }: { name: string; step: Step; result: unknown },
  nowMs: number,
): Moved<W> {
  const results = { ...workflow.results, ...(result !== undefined && { [name]: result }) }
  const next = withStep({ ...workflow, results }, name, step, nowMs)
  if (next.status !== 'processing') return { next, tasks: [] }
  const moved = startReady(pipeline, next, nowMs)
  if (!pipeline.every((spec) => isOver(stepOf(moved.next, spec.name)))) return moved
  return { next: { ...moved.next, status: 'ready' }, tasks: [] }
}

type WithResult = Extract<Outcome, { kind: 'done' | 'adopted' | 'fellBack' }>

/** The step as it is when its result is there. */
function endStep(step: Step, outcome: WithResult, nowMs: number): Step {
  const free: Step = {
    ...without(release(step, 'done'), 'unavailable', 'away', 'unreadable', 'unfetched', 'onlyFallback', 'error'),
    finishedAtMs: nowMs,
  }
  switch (outcome.kind) {
    case 'done':
      return {
        ...free,
        ...closeCall(free),
        ...(outcome.by !== undefined && { provider: outcome.by }),
        ...(outcome.degraded !== undefined && { degraded: outcome.degraded }),
      }
    case 'adopted':
      return { ...free, ...closeCall(free) }
    case 'fellBack': {
      const { degraded, call, upgrade } = outcome
      const fallback = { atMs: nowMs, tries: 0, ...nextTry(upgrade, nowMs) }
      return { ...settleCall(free, call), provider: BY_US, degraded, fallback }
    }
  }
}

function nextTry(upgrade: UpgradePlan, nowMs: number): Pick<NonNullable<Step['fallback']>, 'pauseMs' | 'nextTryAtMs'> {
  switch (upgrade.kind) {
    case 'never':
      return {}
    case 'later':
      return { pauseMs: upgrade.afterMs, nextTryAtMs: nowMs + upgrade.afterMs }
  }
}

function pollAgain<W extends Workflow>(
  workflow: W,
  name: string,
  { step, outcome }: { step: Step; outcome: Extract<Outcome, { kind: 'polling' }> },
  nowMs: number,
): Moved<W> {
  const job = step.job ?? { key: '', webhookToken: '', polls: 0 }
  const isProgress = step.unavailable !== undefined || job.polls === 0
  const polled: Step = {
    ...without(release(step, 'waiting'), 'unavailable', 'away', 'unreadable', 'error'),
    job: { ...without(job, 'webhookCame'), polls: job.polls + 1 },
    ...(isProgress && { progressAtMs: nowMs }),
    ...(outcome.activity !== undefined && { activity: { atMs: nowMs, what: outcome.activity } }),
  }
  return dispatch(workflow, name, polled, nowMs, job.webhookCame === true ? nowMs : nowMs + outcome.afterMs)
}

/** All of the result is in storage, and only the workflow did not say so. */
export function finishFromStorage<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  { step: name, result }: { readonly step: string; readonly result: unknown },
  nowMs: number,
): Moved<W> {
  const outcome = { kind: 'done', result, by: undefined, degraded: undefined } as const
  return finishStep(pipeline, workflow, { name, step: endStep(stepOf(workflow, name), outcome, nowMs), result }, nowMs)
}
