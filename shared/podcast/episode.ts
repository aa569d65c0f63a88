import * as z from 'zod'

import { Step, workflowFields, WorkflowStatus } from '../engine/workflow.ts'
import { contentFields } from './content.ts'
import { PIPELINE } from './pipeline.ts'
import type { StepName, StepNamed } from './pipeline.ts'

/** Of the documents that this release writes. */
export const SCHEMA_VERSION = 1

const Steps = z.object(Object.fromEntries(PIPELINE.map(({ name }) => [name, Step])) as Record<StepName, typeof Step>)
const Results = z.looseObject(
  Object.fromEntries(PIPELINE.map(({ name, result }) => [name, result.optional()])) as unknown as {
    [Name in StepName]: z.ZodOptional<StepNamed<Name>['result']>
  },
)

/** The episode as Firestore keeps it. */
export const Episode = z.looseObject({ ...contentFields, ...workflowFields(Steps, Results) })
export type Episode = z.infer<typeof Episode>
export const EpisodeStatus = WorkflowStatus
export type EpisodeStatus = WorkflowStatus
type Results = Episode['results']
