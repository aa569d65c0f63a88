import { declareStuck, finishFromStorage, redrive } from '../cures.ts'
import type { Moved } from '../moves.ts'
import type { Episode, EpisodeFault, Results } from '../schema.ts'
import type { StepName } from '../steps.ts'
import { jobToStop, openSteps, progressAtMs, stalledAtMs, stuckAtMs, sweepAtMs } from './due.ts'
import type { SweepLimits } from './due.ts'
import { beginUpgrade, currentRun, folded, upgradeAtMs } from '../upgrade.ts'
import type { Run } from '../upgrade.ts'

/** What was found out about an episode beside its document. */
export type Evidence = {
  /** The outputs of this generation, when all of them are in storage. */
  readonly outputs?: Results['finish']
}

/** What a sweep does about one step, and why in words a person can follow. */
type Ruling = {
  readonly step: StepName
  readonly action: 'requeue' | 'finish' | 'error' | 'upgrade'
  readonly reason: string
  /** How long it has been due, in ms: the time to detection. */
  readonly lateMs: number
}

/** What a sweep does about one episode. */
export type SweepDecision =
  | { readonly kind: 'none'; readonly reason: string }
  | { readonly kind: 'move'; readonly rulings: readonly Ruling[]; readonly moved: Moved }
  /** Its deletion was begun and not ended. */
  | { readonly kind: 'remove'; readonly reason: string }
  /** It has ended: what it does not refer to goes, and so does a job that still runs for it. */
  | { readonly kind: 'tidy'; readonly reason: string }

/**
 * Decides on one episode as it is; a dry run and a real one ask the same. Asked again on a newer version it decides on
 * that one, so that whatever happened since the sweep looked is respected.
 */
export function decideSweep(
  episode: Episode,
  evidence: Evidence,
  nowMs: number,
  limits: SweepLimits,
  faultOf: (reason: string) => EpisodeFault,
): SweepDecision {
  const dueMs = sweepAtMs(episode, limits)
  if (dueMs === undefined || dueMs > nowMs) return { kind: 'none', reason: notDue(episode, dueMs, nowMs) }
  if (episode.deletedAtMs !== undefined) return { kind: 'remove', reason: 'its deletion was begun and not ended' }
  if (episode.status === 'processing') return decideOnRun(episode, evidence, nowMs, limits, faultOf)
  const run = currentRun(episode)
  if (episode.upgrade !== undefined && (sweepAtMs(run, limits) ?? Infinity) <= nowMs)
    return besides(episode, decideOnRun(run, evidence, nowMs, limits, faultOf))
  const upgradeMs = upgradeAtMs(episode)
  if (upgradeMs !== undefined && upgradeMs <= nowMs) return upgrading(episode, upgradeMs, nowMs)
  return {
    kind: 'tidy',
    reason:
      jobToStop(episode) === undefined
        ? `it is ${episode.status}, and what it does not refer to is old enough to go`
        : 'it is cancelled, and its mastering still runs',
  }
}

function decideOnRun(
  run: Run,
  evidence: Evidence,
  nowMs: number,
  limits: SweepLimits,
  faultOf: (reason: string) => EpisodeFault,
): SweepDecision {
  const { outputs } = evidence
  if (outputs !== undefined) return finishing(run, outputs, nowMs, sweepAtMs(run, limits) ?? nowMs)
  if (stuckAtMs(run, limits) <= nowMs) return stuck(run, nowMs, limits, faultOf)
  return requeueing(run, nowMs, limits)
}

/** The same for the run of an upgrade: what comes of it is folded into the episode, which stays ready. */
function besides(episode: Episode, decision: SweepDecision): SweepDecision {
  if (decision.kind !== 'move') return decision
  const rulings = decision.rulings.map((ruling) => ({
    ...ruling,
    ...(ruling.action === 'error' && { action: 'upgrade' as const }),
    reason: `upgrade: ${ruling.reason}`,
  }))
  return { ...decision, rulings, moved: { ...decision.moved, episode: folded(episode, decision.moved.episode) } }
}

function upgrading(episode: Episode, dueMs: number, nowMs: number): SweepDecision {
  const moved = beginUpgrade(episode, nowMs)
  const step = moved.episode.upgrade?.step ?? 'finish'
  const reason = `${step} was done without its provider, which is asked for a better result`
  return { kind: 'move', rulings: [{ step, action: 'upgrade', reason, lateMs: nowMs - dueMs }], moved }
}

/** Whether storage must be asked for the outputs before deciding: only where their step has been left alone. */
export function needsEvidence(episode: Episode, nowMs: number, limits: SweepLimits): boolean {
  const run = currentRun(episode)
  if (run.status !== 'processing' || run.deletedAtMs !== undefined) return false
  return openSteps(run).includes('finish') && (sweepAtMs(run, limits) ?? Infinity) <= nowMs
}

function finishing(episode: Episode, outputs: NonNullable<Results['finish']>, nowMs: number, dueMs: number) {
  const reason = 'all outputs are in storage, and only the episode did not say so'
  const ruling: Ruling = { step: 'finish', action: 'finish', reason, lateMs: nowMs - dueMs }
  return { kind: 'move', rulings: [ruling], moved: finishFromStorage(episode, outputs, nowMs) } as const
}

function stuck(
  episode: Episode,
  nowMs: number,
  limits: SweepLimits,
  faultOf: (reason: string) => EpisodeFault,
): SweepDecision {
  const [step = 'finish'] = openSteps(episode).toSorted(
    (a, b) => stalledAtMs(episode, a, limits) - stalledAtMs(episode, b, limits),
  )
  const { attempt, lease, state, unavailable } = episode.steps[step]
  const leaseEnd = lease === undefined ? 'no lease' : `lease ended ${ago(lease.untilMs, nowMs)}`
  const waits =
    unavailable === undefined ? '' : `, waiting for ${unavailable.provider} since ${at(unavailable.sinceMs)}`
  const progress = progressAtMs(episode, limits)
  const reason = `${step} is ${state}: last progress ${ago(progress, nowMs)}, ${leaseEnd}, ${attempt} attempts${waits}`
  const ruling: Ruling = { step, action: 'error', reason, lateMs: nowMs - stuckAtMs(episode, limits) }
  return { kind: 'move', rulings: [ruling], moved: declareStuck(episode, step, faultOf(reason), nowMs) }
}

function requeueing(episode: Episode, nowMs: number, limits: SweepLimits): SweepDecision {
  const stalled = openSteps(episode).filter((name) => stalledAtMs(episode, name, limits) <= nowMs)
  const rulings = stalled.map((step): Ruling => {
    const { state, lease, attempt } = episode.steps[step]
    const dueMs = stalledAtMs(episode, step, limits)
    const expected = ago(dueMs - limits.stalledStepMs, nowMs)
    const reason =
      state === 'running'
        ? `attempt ${attempt} went silent: its lease ended ${lease === undefined ? expected : ago(lease.untilMs, nowMs)}`
        : `it is ${state} and should have been looked at ${expected}: its task is lost or late`
    return { step, action: 'requeue', reason, lateMs: nowMs - dueMs }
  })
  const moved = stalled.reduce<Moved>(
    ({ episode: current, orders }, name) => {
      const next = redrive(current, name, nowMs, limits)
      return { episode: next.episode, orders: [...orders, ...next.orders] }
    },
    { episode, orders: [] },
  )
  return { kind: 'move', rulings, moved }
}

function notDue(episode: Episode, dueMs: number | undefined, nowMs: number): string {
  if (dueMs === undefined) return `it is ${episode.status}, and nothing is left to do`
  return `it is at work: the next look is due in ${Math.round((dueMs - nowMs) / 1000)} s`
}

function ago(timeMs: number, nowMs: number): string {
  return `${Math.round((nowMs - timeMs) / 1000)} s ago`
}

function at(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
