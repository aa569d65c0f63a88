import type { Pipeline } from '../definition.ts'
import { stepOf } from '../workflow.ts'
import type { Step, Workflow } from '../workflow.ts'
import { dispatch, withStep } from './moved.ts'
import type { Moved } from './moved.ts'

/** A provider says that the step's job has news: it is looked at now, or as soon as its holder lets go of it. */
export function hasten<W extends Workflow>(
  _pipeline: Pipeline,
  workflow: W,
  { step: name }: { readonly step: string },
  nowMs: number,
): Moved<W> | undefined {
  const step = stepOf(workflow, name)
  if (workflow.status !== 'processing' || workflow.deletedAtMs !== undefined || step.job === undefined) return undefined
  if (step.state === 'waiting' && step.job.providerJobId !== undefined)
    return dispatch(workflow, name, step, nowMs, nowMs)
  if (step.state !== 'running' || step.job.webhookCame) return undefined
  const told: Step = { ...step, job: { ...step.job, webhookCame: true } }
  return { next: withStep(workflow, name, told, nowMs), tasks: [] }
}
