import { AMBIGUOUS_REPEATS_MAX, ATTEMPTS_MAX, JOB_STEPS, PAID_CALL_STEPS, STEPS } from './steps.ts'
import type { StepName, StepOrder } from './steps.ts'
import { fail, finishStep, isOpen, orderStep, released, withStep } from './moves.ts'
import type { Moved } from './moves.ts'
import type { Episode, EpisodeFault, Results, Step } from './schema.ts'
import type { Run } from './upgrade.ts'
import type { Cost } from '../podcast/ports.ts'

/*
 * The life of an episode as pure functions: (episode, event, now) -> episode and the orders that must be enqueued once
 * it is stored. Nothing here reads a clock, makes an id or touches the network.
 */

/** What names one attempt of a step; a write that carries an older one changes nothing. */
export type Fence = { generation: number; step: StepName; token: string }

/** What an attempt has cost at a provider. */
export type Charge = { readonly provider: string; readonly cost: Cost }

/** How an attempt ended, and what it cost. */
export type Outcome = Ending & { charge?: Charge | undefined }

type Ending =
  /**
   * `degraded`: in words, what the result lacks. `fallsBack`: it is a fallback's, and after `upgradeAfterMs` the provider
   * is asked for a better one.
   */
  | {
      kind: 'done'
      results: Results
      adopted?: boolean
      degraded?: string
      fallsBack?: boolean
      upgradeAfterMs?: number
      /** How the provider's last call ended, where there was one before the fallback. */
      call?: { sent: boolean; ambiguous: boolean }
    }
  /** `doing`: what the provider says it is at. */
  | { kind: 'polling'; nextCheckAtMs: number; doing?: string }
  /** `sent`: the provider was asked; when it was not, nothing can have been charged. `fault` explains the wait. */
  | {
      kind: 'unavailable'
      provider: string
      untilMs: number
      ambiguous: boolean
      sent: boolean
      fault: EpisodeFault
      giveUp: EpisodeFault
      /** Since when, where that is not now: a call may have hung for long. */
      sinceMs?: number
      /** When the step may do without its provider; absent: it may not. */
      fallbackAtMs?: number
      /** Why it turned out that it cannot. */
      noFallback?: string
    }
  /** `newJob`: the provider has ended the one there was. */
  | {
      kind: 'tryAgain'
      notBeforeMs: number
      ambiguous: boolean
      newJob: boolean
      giveUp: EpisodeFault
    }
  | { kind: 'failed'; fault: EpisodeFault; call?: { sent: boolean; ambiguous: boolean } }

export type Claimed =
  /** `onlyFallback`: the provider has had all its attempts; what is left to end with should there be no fallback. */
  | { kind: 'claimed'; moved: Moved; fence: Fence; resumesIntent: boolean; onlyFallback?: EpisodeFault }
  | { kind: 'gaveUp'; moved: Moved }
  | { kind: 'stale'; reason: string; episode: Episode; orders: StepOrder[] }
  | { kind: 'busy'; untilMs: number }

/** Jobs at providers that an episode remembers, so that deleting it reaches them. */
const JOBS_REMEMBERED = 40

/** What a claim brings along: random values, the end of the lease it asks for, and the fault it may have to end with. */
export type ClaimTerms = {
  token: string
  newJob: { key: string; hookToken: string }
  leaseUntilMs: number
  giveUp: EpisodeFault
  /** Whether a step that its provider has failed for good may still do without it. */
  mayFallBack?: boolean
}

/** A worker asks for the step its order names. */
export function claim(episode: Run, order: StepOrder, terms: ClaimTerms, nowMs: number): Claimed {
  const { token, newJob, leaseUntilMs, giveUp, mayFallBack } = terms
  const stale = staleness(episode, order)
  if (stale !== undefined)
    return { kind: 'stale', reason: stale, episode, orders: outstandingOrders(episode, order.generation) }
  const step = episode.steps[order.step]
  const heldUntilMs = Math.max(step.lease?.untilMs ?? 0, step.job?.openUntilMs ?? 0)
  if (heldUntilMs > nowMs) return { kind: 'busy', untilMs: heldUntilMs }

  const asksForJob = step.job?.providerJobId !== undefined
  const attempt = step.state === 'waiting' && (asksForJob || step.unavailable) ? step.attempt : step.attempt + 1
  const paid = PAID_CALL_STEPS.has(order.step) ? nextPaidCall(step) : undefined
  const spent = attempt > ATTEMPTS_MAX || (paid?.repeats ?? 0) > AMBIGUOUS_REPEATS_MAX
  const fallsBack = spent && mayFallBack === true && step.noFallback === undefined && attempt <= ATTEMPTS_MAX + 1
  if (spent && !fallsBack) return { kind: 'gaveUp', moved: fail(episode, order.step, giveUp, nowMs) }

  const { nextCheckAtMs: _due, ...kept } = step
  const claimed: Step = {
    ...kept,
    state: 'running',
    attempt: Math.max(1, attempt),
    startedAtMs: step.startedAtMs ?? nowMs,
    lease: { token, untilMs: leaseUntilMs },
    // Asking for a job again is no progress.
    ...(!(step.state === 'waiting' && asksForJob && !step.unavailable) && { progressAtMs: nowMs }),
    ...(makesJob(episode, order.step) && step.job === undefined && { job: { ...newJob, polls: 0 } }),
    ...(paid && !spent && { paid }),
  }
  return {
    kind: 'claimed',
    moved: { episode: withStep(episode, order.step, claimed, nowMs), orders: [] },
    fence: { generation: order.generation, step: order.step, token },
    resumesIntent: step.job !== undefined || step.paid?.open === true,
    ...(spent && { onlyFallback: giveUp }),
  }
}

/** Words that were brought need no transcription, and a sound that is mastered already no mastering. */
function makesJob({ handTranscript, replaces }: Run, name: StepName): boolean {
  if (name === 'transcribe' && handTranscript !== undefined) return false
  return JOB_STEPS.has(name) && !(name === 'master' && replaces?.step === 'voice')
}

function nextPaidCall({ paid }: Step): NonNullable<Step['paid']> {
  return { calls: (paid?.calls ?? 0) + 1, repeats: (paid?.repeats ?? 0) + (paid?.open === true ? 1 : 0), open: true }
}

function staleness(episode: Episode, order: StepOrder): string | undefined {
  if (episode.deletedAtMs !== undefined) return 'the episode is deleted'
  if (episode.generation !== order.generation) return `generation ${order.generation} is over`
  if (episode.status !== 'processing') return `the episode is ${episode.status}`
  const step = episode.steps[order.step]
  if (!isOpen(step)) return `the step is ${step.state}`
  if (step.dispatch !== order.dispatch) return `order ${order.dispatch} gave way to ${step.dispatch}`
  return undefined
}

/** The step as its holder may change it, or undefined when it is the holder's no more. */
export function held(episode: Episode, fence: Fence): Step | undefined {
  const step = episode.steps[fence.step]
  const mine = episode.generation === fence.generation && step.lease?.token === fence.token
  return mine && episode.deletedAtMs === undefined ? step : undefined
}

/** The holder notes something and is good for another lease. Undefined: the step is the holder's no more. */
export function note(
  episode: Episode,
  fence: Fence,
  job: Partial<NonNullable<Step['job']>>,
  leaseUntilMs: number,
  nowMs: number,
  doing?: string,
): Moved | undefined {
  const step = held(episode, fence)
  if (step === undefined) return undefined
  const known = job.providerJobId !== undefined && job.providerJobId !== step.job?.providerJobId
  const noted: Step = {
    ...step,
    lease: { token: fence.token, untilMs: leaseUntilMs },
    ...(known && { progressAtMs: nowMs }),
    ...(step.job && { job: { ...step.job, ...job } }),
    ...(doing !== undefined && { activity: { atMs: nowMs, what: doing } }),
  }
  const moved = withStep(episode, fence.step, noted, nowMs)
  if (!known || job.providerJobId === undefined) return { episode: moved, orders: [] }
  const jobs = [...(episode.jobs ?? []), { step: fence.step, id: job.providerJobId }].slice(-JOBS_REMEMBERED)
  return { episode: { ...moved, jobs }, orders: [] }
}

/** The holder stops before its end, as an instance does that is shut down: the same order goes on at once elsewhere. */
export function letGo(episode: Episode, fence: Fence, nowMs: number): Moved | undefined {
  const step = held(episode, fence)
  if (step === undefined) return undefined
  const free: Step = {
    ...released(step, 'pending'),
    attempt: Math.max(0, step.attempt - 1),
    nextCheckAtMs: nowMs,
    progressAtMs: nowMs,
  }
  return { episode: withStep(episode, fence.step, free, nowMs), orders: [] }
}

/** The holder's attempt has ended. Undefined: the step is the holder's no more, and nothing changes. */
export function settle(
  episode: Episode,
  fence: Fence,
  outcome: Outcome,
  nowMs: number,
  deadlineMs: number,
): Moved | undefined {
  return settleEnding(addCharge(episode, outcome.charge), fence, outcome, nowMs, deadlineMs)
}

function addCharge(episode: Episode, charge: Charge | undefined): Episode {
  if (charge === undefined) return episode
  const { provider, cost } = charge
  const before = episode.costs?.[provider] ?? {}
  const sums = Object.entries(cost).map(([unit, amount]) => [unit, (before[unit] ?? 0) + amount])
  return { ...episode, costs: { ...episode.costs, [provider]: { ...before, ...Object.fromEntries(sums) } } }
}

function settleEnding(
  episode: Episode,
  fence: Fence,
  outcome: Ending,
  nowMs: number,
  deadlineMs: number,
): Moved | undefined {
  const step = held(episode, fence)
  if (step === undefined) return undefined
  switch (outcome.kind) {
    case 'done':
      return finishStep(afterCallOf(episode, fence.step, outcome.call, nowMs), fence.step, outcome, nowMs)
    case 'failed':
      return fail(afterCallOf(episode, fence.step, outcome.call, nowMs), fence.step, outcome.fault, nowMs)
    case 'polling': {
      const { unavailable: _over, error: _cured, ...free } = released(step, 'waiting')
      const { hinted, ...job } = step.job ?? { key: '', hookToken: '', polls: 0 }
      const news = step.unavailable !== undefined || job.polls === 0
      const polled: Step = {
        ...free,
        job: { ...job, polls: job.polls + 1 },
        ...(news && { progressAtMs: nowMs }),
        ...(outcome.doing !== undefined && { activity: { atMs: nowMs, what: outcome.doing } }),
      }
      return orderStep(episode, fence.step, polled, nowMs, hinted ? nowMs : outcome.nextCheckAtMs)
    }
    case 'unavailable': {
      const sinceMs = step.unavailable?.sinceMs ?? outcome.sinceMs ?? nowMs
      const { fallbackAtMs = Infinity, noFallback } = outcome
      // Whoever may do without the provider is not kept waiting for it any longer.
      const untilMs = fallbackAtMs > nowMs ? Math.min(outcome.untilMs, fallbackAtMs) : outcome.untilMs
      if (nowMs - sinceMs > deadlineMs) return fail(episode, fence.step, outcome.giveUp, nowMs)
      const waiting: Step = {
        ...released(afterCall(step, outcome), 'waiting'),
        error: outcome.fault,
        unavailable: {
          provider: outcome.provider,
          sinceMs,
          waits: (step.unavailable?.waits ?? 0) + 1,
          untilMs,
        },
        ...(noFallback !== undefined && { noFallback }),
      }
      return orderStep(episode, fence.step, waiting, nowMs, untilMs)
    }
    case 'tryAgain': {
      if (step.attempt >= ATTEMPTS_MAX) return fail(episode, fence.step, outcome.giveUp, nowMs)
      const { job, ...free } = released(callEnded(step, outcome.ambiguous), 'pending')
      const again: Step = { ...free, ...(job && !outcome.newJob && { job }) }
      return orderStep(episode, fence.step, again, nowMs, outcome.notBeforeMs)
    }
  }
}

/** A provider says that the step's job has news: it is looked at now, or as soon as its holder lets go of it. */
export function hurry(episode: Episode, name: StepName, nowMs: number): Moved | undefined {
  const step = episode.steps[name]
  if (episode.status !== 'processing' || step.job === undefined) return undefined
  if (step.state === 'waiting' && step.job.providerJobId !== undefined)
    return orderStep(episode, name, step, nowMs, nowMs)
  if (step.state !== 'running' || step.job.hinted) return undefined
  return { episode: withStep(episode, name, { ...step, job: { ...step.job, hinted: true } }, nowMs), orders: [] }
}

/** Orders of this generation that somebody must still carry out; enqueued again, their names make duplicates collapse. */
export function outstandingOrders(episode: Episode, generation: number): StepOrder[] {
  if (episode.status !== 'processing' || episode.generation !== generation || episode.deletedAtMs !== undefined)
    return []
  return STEPS.flatMap((name) => {
    const { state, dispatch, nextCheckAtMs } = episode.steps[name]
    if (dispatch === 0 || (state !== 'pending' && state !== 'waiting')) return []
    return [{ step: name, generation, dispatch, ...(nextCheckAtMs !== undefined && { notBeforeMs: nextCheckAtMs }) }]
  })
}

function afterCallOf(
  episode: Episode,
  name: StepName,
  call: { sent: boolean; ambiguous: boolean } | undefined,
  nowMs: number,
): Episode {
  return call === undefined ? episode : withStep(episode, name, afterCall(episode.steps[name], call), nowMs)
}

function afterCall(step: Step, { sent, ambiguous }: { sent: boolean; ambiguous: boolean }): Step {
  return sent ? callEnded(step, ambiguous) : callUnsent(step)
}

/** A paid call stays open when it may have been carried out although its result is not here. */
function callEnded(step: Step, ambiguous: boolean): Step {
  return step.paid === undefined ? step : { ...step, paid: { ...step.paid, open: ambiguous } }
}

/** The call that claiming the step counted was never made. */
function callUnsent(step: Step): Step {
  return step.paid === undefined ? step : { ...step, paid: { ...step.paid, calls: step.paid.calls - 1, open: false } }
}
