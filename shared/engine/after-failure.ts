import { equalJitterMs } from '../resilience/backoff.ts'
import type { StepKind } from './definition.ts'
import type { Failure } from './failure.ts'
import { AMBIGUOUS_REPEATS_MAX, ATTEMPTS_MAX } from './limits.ts'
import type { EngineSettings } from './limits.ts'
import type { CallEnd, Outcome, WhyWithout } from './outcome.ts'
import { ATTEMPTS_EXHAUSTED, CALLS_LOST, problemOf, unavailableNow, unavailableTooLong } from './problem.ts'
import { pauseBeforeNextCall } from './transitions/paid-calls.ts'
import { awayFrom, findLostCalls } from './transitions/pass-over.ts'
import type { Step } from './workflow.ts'

/** How a service that cannot be used is come back to. */
export const UNAVAILABLE_BACKOFF = { baseMs: 2_000, capMs: 60_000 }
/** A breaker says when to come back; everybody hears the same, so a little is added for each alone. */
const REJECTED_JITTER_MS = 2_000
const TRY_AGAIN_BACKOFF = { baseMs: 1_000, capMs: 30_000 }
/** An answer that nobody could read is asked for so often again. */
const UNREADABLE_REPEATS_MAX = 1
/** Of a step that can do without its provider, or has another: jobs that their provider has ended. */
const ENDED_JOBS_MAX = 2

/** What could not be fetched from a service of ours that answers us may have met its absence: so often it is free. */
const UNFETCHED_FREE_MAX = 2

/** How long a service is waited for. */
type Patience = Pick<EngineSettings, 'fallbackAfterMs' | 'deadlineMs'>

/** An attempt that has failed, and all that what follows depends on. */
export type FailedAttempt = {
  readonly failure: Failure
  readonly kind: StepKind
  /** The provider it went to, and whether configuration has another that this step has not given up on. */
  readonly provider: string | undefined
  readonly hasNextProvider: boolean
  /** As it was claimed, with the attempt's own call. */
  readonly step: Step
  /** Whether a paid call was recorded, and whether it has left since. */
  readonly callCounted: boolean
  readonly callLeft: boolean
  /** A paid call of this attempt has gone through. */
  readonly wasCharged: boolean
  /** Owner and configuration allow the step's fallback, and nothing has shown that there is none. */
  readonly mayFallBack: boolean
  /** The attempt is to replace a fallback's result: nobody waits for it. */
  readonly isUpgrade: boolean
  readonly startedAtMs: number
  /** Of the pause that may follow, in [0, 1): random, so that not all come back at once. */
  readonly jitter: number
  readonly errorId: string
}

/** What follows: an outcome, or the fallback, why, and the outcome should it turn out not to be had. */
export type Decision =
  | { readonly next: 'settle'; readonly outcome: Outcome }
  | { readonly next: 'fallBack'; readonly call: CallEnd; readonly because: WhyWithout; readonly otherwise: Otherwise }

/** What a step comes to that has neither another provider nor a fallback. */
type Otherwise = Extract<Outcome, { kind: 'failed' | 'waiting' }>

/** What follows from an attempt's failure: waiting for a service, another attempt or provider, the fallback, or the end. */
export function afterFailure(attempt: FailedAttempt, settings: Patience, nowMs: number): Decision {
  const { failure } = attempt
  switch (failure.kind) {
    case 'away':
      return afterAbsence(attempt, failure, settings, nowMs)
    case 'refused': {
      const { ambiguous, words, canPass } = failure
      const problem = problemOf({ ...words, retryable: words.retryable || canPass }, attempt.errorId)
      const because = { why: 'refused', refusal: words.message, canPass } as const
      return goOn(attempt, because, { kind: 'failed', problem, call: callEnd(attempt, ambiguous) }, settings)
    }
    case 'unreadable':
      return afterUnreadable(attempt, failure, settings, nowMs)
    case 'unfetched':
      return afterUnfetched(attempt, failure, settings, nowMs)
    case 'jobEnded':
      return afterTrial(attempt, callEnd(attempt, false), 'drop', settings)
    case 'unexpected':
      return afterTrial(attempt, callEnd(attempt, failure.ambiguous), 'keep', settings)
  }
}

function afterAbsence(
  attempt: FailedAttempt,
  failure: Extract<Failure, { kind: 'away' }>,
  settings: Patience,
  nowMs: number,
): Decision {
  const { step, jitter, errorId, provider } = attempt
  const { service, sent, retryAfterMs } = failure
  const problem = problemOf(unavailableNow(failure.technical), errorId)
  const call = callEnd(attempt, failure.ambiguous)
  const isProvider = service === provider
  // What there is stays as it is while the provider is away: nobody waits for an upgrade.
  if (attempt.isUpgrade && isProvider) return settleAs({ kind: 'failed', problem, call })

  const canReturn = !attempt.mayFallBack && !attempt.hasNextProvider && awayFrom(step).length > 0
  const mayGoOn = isProvider && (attempt.mayFallBack || attempt.hasNextProvider || canReturn)
  // A call may have hung for long before it was known that the provider cannot be used.
  const sinceMs = step.unavailable?.sinceMs ?? (mayGoOn ? attempt.startedAtMs : nowMs)
  const backoffMs = equalJitterMs(UNAVAILABLE_BACKOFF, step.unavailable?.waits ?? 0, () => jitter)
  // Whoever may go on without the provider is not kept waiting for it any longer.
  const goesOnAfterMs = sinceMs + settings.fallbackAfterMs - nowMs
  const usualPauseMs = sent ? Math.max(retryAfterMs, backoffMs) : retryAfterMs + jitter * REJECTED_JITTER_MS
  const savesRepeat = isProvider && call === 'ambiguous' && (step.paid?.repeats ?? 0) < AMBIGUOUS_REPEATS_MAX
  // There is one repeat of a call that was lost: it is worth most when the trouble has had all the time to pass.
  const pauseMs = savesRepeat ? Math.max(usualPauseMs, goesOnAfterMs) : usualPauseMs
  const afterMs = mayGoOn && goesOnAfterMs > 0 ? Math.min(pauseMs, goesOnAfterMs) : pauseMs
  const isOverdue = nowMs - (step.away?.sinceMs ?? sinceMs) > settings.deadlineMs
  // With one provider the step ends, and its owner may ask again; where another has been left there is nobody to ask.
  const hasLeftAnother = (step.passedOver ?? []).length > 0
  const isLost =
    hasLeftAnother && isProvider && call === 'ambiguous' && !savesRepeat && (!mayGoOn || goesOnAfterMs <= 0)
  const otherwise: Otherwise = isOverdue
    ? { kind: 'failed', problem: problemOf(unavailableTooLong(service), errorId), call }
    : isLost
      ? waitForLost(attempt, service, settings, nowMs)
      : { kind: 'waiting', service, afterMs, sinceMs, problem, call, fallback: { kind: 'unknown' } }
  // An end is worse than any result: whoever may go on does so at the deadline at the latest.
  if (!mayGoOn || (goesOnAfterMs > 0 && !isOverdue)) return settleAs(otherwise)
  const left = { ...leaveProvider(attempt, call), awaySinceMs: sinceMs }
  if (attempt.hasNextProvider) return settleAs({ kind: 'passedOverAway', ...left })
  if (canReturn && !isOverdue) return settleAs({ kind: 'cameBack', ...left })
  if (!attempt.mayFallBack) return settleAs(otherwise)
  return { next: 'fallBack', call, because: { why: 'away', canPass: true }, otherwise }
}

/** A call and its repeat were lost: there is one more, when nothing can come of them any more. */
function waitForLost(
  { step, errorId }: FailedAttempt,
  service: string,
  { deadlineMs }: Patience,
  nowMs: number,
): Otherwise {
  const afterMs = pauseAfterLost(step, deadlineMs)
  const call = 'ambiguous'
  if (afterMs === undefined) return { kind: 'failed', problem: problemOf(ATTEMPTS_EXHAUSTED, errorId), call }
  const problem = problemOf(CALLS_LOST, errorId)
  const fallback = { kind: 'unknown' } as const
  return { kind: 'waiting', service, afterMs, sinceMs: nowMs, problem, call, fallback, callsLost: true }
}

/** Undefined: there is no more, or not before the step has waited for too long. */
function pauseAfterLost({ paid }: Step, deadlineMs: number): number | undefined {
  const afterMs = pauseBeforeNextCall({ paid: paid && { ...paid, open: true } }, 0)
  return afterMs !== undefined && afterMs <= deadlineMs ? afterMs : undefined
}

/**
 * Our service is waited for where it is away, and nothing of the attempt is spent. Where it answers by now, it may have
 * been away a moment ago: after that the failure is the provider's.
 */
function afterUnfetched(
  attempt: FailedAttempt,
  failure: Extract<Failure, { kind: 'unfetched' }>,
  settings: Patience,
  nowMs: number,
): Decision {
  const { service, isAway, technical } = failure
  const { step, kind, provider = '' } = attempt
  if (isAway || (step.unfetched ?? 0) < UNFETCHED_FREE_MAX) {
    const away = { kind: 'away', service, sent: true, ambiguous: false, retryAfterMs: 0, technical } as const
    const decision = afterAbsence(attempt, away, settings, nowMs)
    if (decision.next !== 'settle' || decision.outcome.kind !== 'waiting') return decision
    return settleAs({ ...decision.outcome, job: 'drop', unfetched: isAway ? 0 : 1 })
  }
  if (kind !== 'call') return afterTrial(attempt, callEnd(attempt, false), 'drop', settings)
  return afterUnreadable(
    attempt,
    { kind: 'unreadable', service: provider, technical, cost: undefined },
    settings,
    nowMs,
  )
}

/** Asked once more; then whoever can goes on without it, and a job is waited for as if its service were away. */
function afterUnreadable(
  attempt: FailedAttempt,
  failure: Extract<Failure, { kind: 'unreadable' }>,
  settings: Patience,
  nowMs: number,
): Decision {
  const { step, jitter, errorId, isUpgrade } = attempt
  const call = callEnd(attempt, false)
  const problem = problemOf({ ...ATTEMPTS_EXHAUSTED, retryable: !isUpgrade }, errorId)
  // A better result was asked for once more, and this was the answer: that is the end of it.
  if (isUpgrade) return settleAs({ kind: 'failed', problem, call })
  if ((step.unreadable ?? 0) < UNREADABLE_REPEATS_MAX && (step.paid?.repeats ?? 0) < AMBIGUOUS_REPEATS_MAX) {
    const afterMs = equalJitterMs(TRY_AGAIN_BACKOFF, 0, () => jitter)
    // Charged for nothing, as a call that was lost: the next is the one repeat that there may be of either.
    const repeated = call === 'ended' ? 'ambiguous' : call
    return settleAs({ kind: 'tryAgain', afterMs, call: repeated, job: 'keep', because: 'unreadable' })
  }
  // Looking at a job again is free, so that one can be waited for; another call would be charged, too.
  if (attempt.kind === 'call' || canAskAnother(attempt) || attempt.mayFallBack)
    return goOn(attempt, FAILED, { kind: 'failed', problem, call }, settings)
  const away = { ...failure, kind: 'away', sent: true, ambiguous: false, retryAfterMs: 0 } as const
  return afterAbsence(attempt, away, settings, nowMs)
}

/** It was asked, more than once, and nothing came of it. */
export const FAILED: WhyWithout = { why: 'failed', canPass: true }

/** The attempt hung, and may have sent what nobody saw the end of: another looks for that first, if there may be one. */
export function afterStall(attempt: FailedAttempt): Outcome {
  const { step, jitter, callLeft } = attempt
  const afterMs = equalJitterMs(TRY_AGAIN_BACKOFF, step.attempt - 1, () => jitter)
  return { kind: 'tryAgain', afterMs, call: callEnd(attempt, callLeft), job: 'keep', because: 'failed' }
}

/** Without this provider: with the next, else with the fallback, else as `otherwise` says. */
function goOn(attempt: FailedAttempt, because: WhyWithout, otherwise: Otherwise, settings: Patience): Decision {
  const { call } = otherwise
  const why = otherwise.kind === 'failed' && { why: `${attempt.provider ?? 'here'}: ${otherwise.problem.message}` }
  if (canAskAnother(attempt)) return settleAs({ kind: 'passedOver', ...leaveProvider(attempt, call), ...why })
  if (attempt.mayFallBack) return { next: 'fallBack', call, because, otherwise }
  // Who was only away has refused nothing.
  if (!attempt.isUpgrade && awayFrom(attempt.step).length > 0)
    return settleAs({ kind: 'gaveBack', ...leaveProvider(attempt, call), ...why })
  return settleAs(giveBackLater(attempt, call, settings) ?? otherwise)
}

/** Neither has one whose call and repeat were lost: it is asked once more when nothing can come of them any more. */
function giveBackLater(attempt: FailedAttempt, call: CallEnd, { deadlineMs }: Patience): Outcome | undefined {
  const { step, isUpgrade, errorId } = attempt
  const [service] = findLostCalls(step)
  const afterMs = pauseAfterLost(step, deadlineMs)
  if (isUpgrade || service === undefined || afterMs === undefined) return undefined
  const problem = problemOf(CALLS_LOST, errorId)
  return { kind: 'gaveBackLater', ...leaveProvider(attempt, call), service, afterMs, problem }
}

/** Another attempt may succeed, as long as there are any left. */
function afterTrial(attempt: FailedAttempt, call: CallEnd, job: 'keep' | 'drop', settings: Patience): Decision {
  const { step, jitter, errorId } = attempt
  const afterMs = equalJitterMs(TRY_AGAIN_BACKOFF, step.attempt - 1, () => jitter)
  const mayGoOn = canAskAnother(attempt) || attempt.mayFallBack
  const attemptsMax = job === 'drop' && mayGoOn ? ENDED_JOBS_MAX : ATTEMPTS_MAX
  if (step.attempt < attemptsMax) return settleAs({ kind: 'tryAgain', afterMs, call, job, because: 'failed' })
  return goOn(attempt, FAILED, { kind: 'failed', problem: problemOf(ATTEMPTS_EXHAUSTED, errorId), call }, settings)
}

function canAskAnother({ hasNextProvider, isUpgrade }: FailedAttempt): boolean {
  return hasNextProvider && !isUpgrade
}

function leaveProvider({ provider = '' }: FailedAttempt, call: CallEnd) {
  return { provider, call }
}

function callEnd({ callCounted, callLeft, wasCharged }: FailedAttempt, ambiguous: boolean): CallEnd {
  if (!callCounted) return 'unknown'
  if (wasCharged || ambiguous) return 'ambiguous'
  return callLeft ? 'ended' : 'unsent'
}

function settleAs(outcome: Outcome): Decision {
  return { next: 'settle', outcome }
}
