import type { Pipeline } from '../definition.ts'
import { problemOf, stuckWords } from '../problem.ts'
import { declareStuck, requeue } from '../transitions/cure.ts'
import type { Moved } from '../transitions/moved.ts'
import { finishFromStorage } from '../transitions/settle.ts'
import { beginUpgrade, mergeView, upgradeAtMs, viewCurrent } from '../transitions/upgrade.ts'
import { stepOf } from '../workflow.ts'
import type { GenerationView, Workflow } from '../workflow.ts'
import { hasJobToStop, openSteps, progressAtMs, stalledAtMs, stuckAtMs, sweepAtMs } from './due.ts'
import type { SweepRules } from './due.ts'
import { isHopeless, judgeStep, lookAgainAtMs, stepsInDoubt } from './whereabouts.ts'
import type { WhereIs } from './whereabouts.ts'

/** What was found out about a workflow beside its document. */
export type Evidence = {
  /** The last step's result, when all of it is in storage. */
  readonly lastResult: unknown
  /** Where the tasks are that `tasksInDoubt` has named. */
  readonly whereIs: WhereIs
}

/** What a sweep does about one step, and why in words a person can follow. */
type Cure = {
  readonly step: string
  readonly action: 'requeue' | 'finish' | 'error' | 'upgrade'
  readonly reason: string
  /** How long it has been due, in ms: the time to detection. */
  readonly overdueMs: number
}

/** What a sweep does about one workflow. */
export type SweepDecision<W extends Workflow> =
  | { readonly kind: 'none'; readonly reason: string }
  /** Nothing is lost. `untilMs`: it need not be looked at before; undefined: nobody knows. */
  | { readonly kind: 'wait'; readonly reason: string; readonly untilMs: number | undefined }
  | { readonly kind: 'move'; readonly cures: readonly Cure[]; readonly moved: Moved<W> }
  /** Its deletion was begun and not ended. */
  | { readonly kind: 'remove'; readonly reason: string }
  /** It has ended: what it does not refer to goes, and so does a job that still runs for it. */
  | { readonly kind: 'tidy'; readonly reason: string }

/** What a decision goes by beside the workflow itself. */
export type SweepContext = {
  readonly pipeline: Pipeline
  readonly rules: SweepRules
  readonly evidence: Evidence
  /** Of the problem that a stuck workflow ends with. */
  readonly errorId: string
}

/**
 * Decides on one workflow as it is; a dry run and a real one ask the same. Asked again on a newer version it decides on
 * that one, so that whatever happened since the sweep looked is respected.
 */
export function decideSweep<W extends Workflow>(workflow: W, context: SweepContext, nowMs: number): SweepDecision<W> {
  const { pipeline, rules } = context
  const dueMs = sweepAtMs(pipeline, workflow, rules)
  if (dueMs === undefined || dueMs > nowMs) return { kind: 'none', reason: explainNotDue(workflow, dueMs, nowMs) }
  if (workflow.deletedAtMs !== undefined) return { kind: 'remove', reason: 'its deletion was begun and not ended' }
  if (workflow.status === 'processing') return decideOnView<W>(workflow, context, nowMs)
  const view = viewCurrent(workflow)
  if (workflow.upgrade !== undefined && (sweepAtMs(pipeline, view, rules) ?? Infinity) <= nowMs)
    return mergeDecision(workflow, decideOnView<W>(view, context, nowMs))
  const upgradeMs = upgradeAtMs(workflow)
  if (upgradeMs !== undefined && upgradeMs <= nowMs) return decideToUpgrade(pipeline, workflow, upgradeMs, nowMs)
  return {
    kind: 'tidy',
    reason: hasJobToStop(pipeline, workflow)
      ? 'it is cancelled, and a job of it still runs'
      : `it is ${workflow.status}, and what it does not refer to is old enough to go`,
  }
}

function decideOnView<W extends Workflow>(
  view: GenerationView<W>,
  context: SweepContext,
  nowMs: number,
): SweepDecision<GenerationView<W>> {
  const { pipeline, rules, evidence } = context
  if (evidence.lastResult !== undefined) {
    const overdueMs = nowMs - (sweepAtMs(pipeline, view, rules) ?? nowMs)
    return decideToFinish(pipeline, view, { result: evidence.lastResult, overdueMs }, nowMs)
  }
  const { whereIs } = evidence
  const inDoubt = stepsInDoubt(view, rules, nowMs)
  const judged = new Map(inDoubt.map((name) => [name, judgeStep(view, name, { whereIs, rules }, nowMs)]))
  const stepsJudged = (kind: string) => inDoubt.filter((name) => judged.get(name)?.kind === kind)
  const [heldUp, unknown] = [stepsJudged('heldUp'), stepsJudged('unknown')]
  if (stuckAtMs(view, rules) <= nowMs && [...judged.values()].every((one) => isHopeless(one, rules, nowMs)))
    return decideToEnd<W>(view, context, nowMs)
  const lost = stepsJudged('lost').filter((name) => stalledAtMs(view, name, rules) <= nowMs)
  if (lost.length > 0) return decideToRequeue<W>(view, lost, context, nowMs)
  if (unknown.length > 0)
    return { kind: 'wait', reason: `nobody knows where the task of ${unknown.join(', ')} is`, untilMs: undefined }
  const untilMs = lookAgainAtMs(view, { judged, rules }, nowMs)
  const which = heldUp.length > 0 ? heldUp : inDoubt
  const why = heldUp.length > 0 ? ', which is slow or paused' : ''
  return { kind: 'wait', reason: `the task of ${which.join(', ')} is in its queue${why}`, untilMs }
}

/** The same for an upgrade's generation: what comes of it is merged into the workflow, which stays ready. */
function mergeDecision<W extends Workflow>(workflow: W, decision: SweepDecision<GenerationView<W>>): SweepDecision<W> {
  if (decision.kind !== 'move') return decision
  const cures = decision.cures.map((cure) => ({
    ...cure,
    ...(cure.action === 'error' && { action: 'upgrade' as const }),
    reason: `upgrade: ${cure.reason}`,
  }))
  return { ...decision, cures, moved: { ...decision.moved, next: mergeView<W>(workflow, decision.moved.next) } }
}

function decideToUpgrade<W extends Workflow>(
  pipeline: Pipeline,
  workflow: W,
  dueMs: number,
  nowMs: number,
): SweepDecision<W> {
  const moved = beginUpgrade(pipeline, workflow, {}, nowMs)
  if (moved === undefined) return { kind: 'none', reason: 'there is nothing to upgrade' }
  const step = moved.next.upgrade?.step ?? ''
  const reason = `${step} was done without its provider, which is asked for a better result`
  return { kind: 'move', cures: [{ step, action: 'upgrade', reason, overdueMs: nowMs - dueMs }], moved }
}

/** Whether storage must be asked for the last step's result before deciding: only where it has been left alone. */
export function needsEvidence(pipeline: Pipeline, workflow: Workflow, rules: SweepRules, nowMs: number): boolean {
  const view = viewCurrent(workflow)
  if (view.status !== 'processing' || view.deletedAtMs !== undefined) return false
  const last = pipeline.at(-1)?.name ?? ''
  return openSteps(view).includes(last) && (sweepAtMs(pipeline, view, rules) ?? Infinity) <= nowMs
}

function decideToFinish<W extends Workflow>(
  pipeline: Pipeline,
  view: W,
  { result, overdueMs }: { result: unknown; overdueMs: number },
  nowMs: number,
): SweepDecision<W> {
  const step = pipeline.at(-1)?.name ?? ''
  const reason = 'all outputs are in storage, and only its document did not say so'
  const moved = finishFromStorage(pipeline, view, { step, result }, nowMs)
  return { kind: 'move', cures: [{ step, action: 'finish', reason, overdueMs }], moved }
}

function decideToEnd<W extends Workflow>(view: W, context: SweepContext, nowMs: number): SweepDecision<W> {
  const { pipeline, rules, errorId } = context
  const last = pipeline.at(-1)?.name ?? ''
  const [step = last] = openSteps(view).toSorted((a, b) => stalledAtMs(view, a, rules) - stalledAtMs(view, b, rules))
  const { attempt, lease, state, unavailable } = stepOf(view, step)
  const leaseEnd = lease === undefined ? 'no lease' : `lease ended ${ago(lease.untilMs, nowMs)}`
  const waits = unavailable === undefined ? '' : `, waiting for ${unavailable.service} since ${at(unavailable.sinceMs)}`
  const progress = progressAtMs(view, rules)
  const reason = `${step} is ${state}: last progress ${ago(progress, nowMs)}, ${leaseEnd}, ${attempt} attempts${waits}`
  const cure: Cure = { step, action: 'error', reason, overdueMs: nowMs - stuckAtMs(view, rules) }
  const problem = problemOf(stuckWords(reason), errorId)
  return { kind: 'move', cures: [cure], moved: declareStuck(pipeline, view, { step, problem }, nowMs) }
}

function decideToRequeue<W extends Workflow>(
  view: W,
  stalled: readonly string[],
  { pipeline, rules }: SweepContext,
  nowMs: number,
): SweepDecision<W> {
  const cures = stalled.map((step): Cure => {
    const { state, lease, attempt } = stepOf(view, step)
    const dueMs = stalledAtMs(view, step, rules)
    const expected = ago(dueMs - rules.stalledStepMs, nowMs)
    const reason =
      state === 'running'
        ? `attempt ${attempt} stalled: its lease ended ${lease === undefined ? expected : ago(lease.untilMs, nowMs)}`
        : `it is ${state} and should have been looked at ${expected}: its task is lost`
    return { step, action: 'requeue', reason, overdueMs: nowMs - dueMs }
  })
  const moved = stalled.reduce<Moved<W>>(
    ({ next, tasks }, step) => {
      const requeued = requeue(pipeline, next, { step, leaseMs: rules.stepLeaseMs }, nowMs)
      return { next: requeued.next, tasks: [...tasks, ...requeued.tasks] }
    },
    { next: view, tasks: [] },
  )
  return { kind: 'move', cures, moved }
}

function explainNotDue(workflow: Workflow, dueMs: number | undefined, nowMs: number): string {
  if (dueMs === undefined) return `it is ${workflow.status}, and nothing is left to do`
  return `it is at work: the next look is due in ${Math.round((dueMs - nowMs) / 1000)} s`
}

function ago(timeMs: number, nowMs: number): string {
  return `${Math.round((nowMs - timeMs) / 1000)} s ago`
}

function at(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
