import type { Pipeline } from '../definition.ts'
import type { EngineSettings } from '../limits.ts'
import { isOpen } from '../transitions/moved.ts'
import { jobToStop } from '../transitions/owner.ts'
import { upgradeAtMs, viewCurrent } from '../transitions/upgrade.ts'
import { stepOf } from '../workflow.ts'
import type { Step, Workflow } from '../workflow.ts'

/** When nobody looks after a workflow any more. */
export type SweepRules = Pick<
  EngineSettings,
  'stalledStepMs' | 'stuckAfterMs' | 'deadlineMs' | 'stepLeaseMs' | 'orphanAgeMs'
> & {
  /** Whether storage may hold anything of a workflow that has ended, or not begun. */
  readonly mayHoldFiles: (workflow: Workflow) => boolean
  /** When a workflow that is not processed must be tidied, whatever its age; undefined: when it is old enough. */
  readonly tidyAtMs?: (workflow: Workflow) => number | undefined
}

/**
 * When the sweep must look at a workflow should nothing else happen to it; undefined: never. The store keeps it beside
 * the workflow with every write, so that a sweep reads only what is due.
 */
export function sweepAtMs(pipeline: Pipeline, workflow: Workflow, rules: SweepRules): number | undefined {
  if (workflow.deletedAtMs !== undefined) return workflow.removalDueAtMs ?? workflow.deletedAtMs
  if (workflow.status === 'processing')
    return Math.min(
      stuckAtMs(workflow, rules),
      ...openSteps(workflow).map((name) => stalledAtMs(workflow, name, rules)),
    )
  if (hasJobToStop(pipeline, workflow)) return workflow.updatedAtMs
  const times = [
    mayBeUntidy(workflow, rules) ? workflow.updatedAtMs + rules.orphanAgeMs : Infinity,
    rules.tidyAtMs?.(workflow) ?? Infinity,
    upgradeAtMs(workflow) ?? Infinity,
    workflow.upgrade === undefined ? Infinity : (sweepAtMs(pipeline, viewCurrent(workflow), rules) ?? Infinity),
  ]
  const first = Math.min(...times)
  return Number.isFinite(first) ? first : undefined
}

/** When a step counts as stalled: nothing has happened to it for too long after something should have. */
export function stalledAtMs(workflow: Workflow, name: string, { stalledStepMs }: SweepRules): number {
  const { state, lease, nextCheckAtMs } = stepOf(workflow, name)
  const expectedMs = state === 'running' ? lease?.untilMs : nextCheckAtMs
  return (expectedMs ?? workflow.updatedAtMs) + stalledStepMs
}

/** When the workflow counts as stuck: a lease that is renewed is progress, a job that is asked for again is none. */
export function stuckAtMs(workflow: Workflow, rules: SweepRules): number {
  const waits = openSteps(workflow).flatMap((name) => {
    const { unavailable } = stepOf(workflow, name)
    return unavailable === undefined ? [] : [unavailable.sinceMs + rules.deadlineMs + rules.stalledStepMs]
  })
  return Math.max(progressAtMs(workflow, rules) + rules.stuckAfterMs, ...waits)
}

/** When something last went forward. */
export function progressAtMs(workflow: Workflow, { stepLeaseMs }: Pick<SweepRules, 'stepLeaseMs'>): number {
  const ofStep = ({ progressAtMs: madeAtMs, finishedAtMs, lease }: Step) => [
    madeAtMs ?? 0,
    finishedAtMs ?? 0,
    lease === undefined ? 0 : lease.untilMs - stepLeaseMs,
  ]
  return Math.max(workflow.processingSinceMs ?? 0, ...Object.values(workflow.steps).flatMap(ofStep))
}

/** Steps that somebody should be at, or that are ready to be begun. */
export function openSteps(workflow: Workflow): string[] {
  return Object.entries(workflow.steps).flatMap(([name, step]) => (isOpen(step) && step.dispatch > 0 ? [name] : []))
}

/** Whether a cancelled workflow has a paid job that its provider can still be told to stop. */
export function hasJobToStop(pipeline: Pipeline, workflow: Workflow): boolean {
  return pipeline.some((spec) => jobToStop(spec, workflow) !== undefined)
}

/** Whether storage may hold what the workflow does not refer to. */
function mayBeUntidy(workflow: Workflow, { mayHoldFiles }: SweepRules): boolean {
  const { updatedAtMs, tidiedAtMs } = workflow
  return mayHoldFiles(workflow) && (tidiedAtMs === undefined || tidiedAtMs < updatedAtMs)
}
