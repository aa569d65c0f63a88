import * as z from 'zod'

import { freshSteps } from '../engine/transitions/moved.ts'
import { Step, workflowFields, WorkflowStatus } from '../engine/workflow.ts'
import { contentFields } from './content.ts'
import { PIPELINE } from './pipeline.ts'
import type { StepName, StepNamed } from './pipeline.ts'

/** Of the documents that this release writes. */
export const SCHEMA_VERSION = 1

/** A step that came with a later release than its document: every episode but a draft does without it. */
const UNKNOWN_THEN: Step = { state: 'skipped', attempt: 0, dispatch: 0 }
const StoredStep = Step.default(UNKNOWN_THEN)
const Steps = z.object(
  Object.fromEntries(PIPELINE.map(({ name }) => [name, StoredStep])) as Record<StepName, typeof StoredStep>,
)
const Results = z.looseObject(
  Object.fromEntries(PIPELINE.map(({ name, result }) => [name, result.optional()])) as unknown as {
    [Name in StepName]: z.ZodOptional<StepNamed<Name>['result']>
  },
)

/** The episode as Firestore keeps it. */
export const Episode = z.preprocess(
  withEveryStepOfDraft,
  z.looseObject({ ...contentFields, ...workflowFields(Steps, Results) }),
)
export type Episode = z.infer<typeof Episode> & {
  /** Dotted paths of what could not be read of its document; never stored. Absent: all of it could. */
  readonly leftOut?: readonly string[]
}
export const EpisodeStatus = WorkflowStatus
export type EpisodeStatus = WorkflowStatus
type Results = Episode['results']

/** A draft has everything still before it, what came with a later release than its document as well. */
function withEveryStepOfDraft(stored: unknown): unknown {
  if (!isMap(stored) || stored['status'] !== 'draft' || !isMap(stored['steps'])) return stored
  return { ...stored, steps: { ...freshSteps(PIPELINE), ...stored['steps'] } }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
