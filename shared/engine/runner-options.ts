import type * as z from 'zod'

import type { StepDefinition } from './definition.ts'
import type { Failure } from './failure.ts'
import type { EngineSettings } from './limits.ts'
import type { Clock, TaskQueue, Tell, WorkflowStore } from './ports.ts'
import type { Claim, ProviderChoice } from './transitions/claim.ts'
import type { GenerationView, Workflow } from './workflow.ts'

/** What a runner is given: everything of the world that it uses. */
export type RunnerOptions<W extends Workflow, Tools> = {
  readonly pipeline: readonly StepDefinition<string, z.ZodType, W, Tools>[]
  readonly store: WorkflowStore<W>
  readonly queue: Pick<TaskQueue, 'enqueue'>
  readonly clock: Clock
  /** In [0, 1). */
  readonly random: () => number
  readonly newId: () => string
  /** For the webhooks of a job that may be made. */
  readonly newWebhookToken: (workflowId: string) => string
  readonly settings: EngineSettings
  /** The providers that can do a step of this workflow, in order of preference. */
  readonly providersOf: (step: string, workflow: W) => readonly ProviderChoice[]
  /** Whether owner and configuration allow a fallback, by its name. */
  readonly allowsFallback: (workflow: W, fallback: string) => boolean
  /** Whether the owner wants a fallback's result replaced by its provider's later. */
  readonly wantsUpgrade: (workflow: W) => boolean
  /** What it means that a step, the store or the queue has thrown this. */
  readonly explain: (error: unknown) => Failure
  /** Does what a stale task is still good for: only the worker of a step can speak to its provider. */
  readonly afterStale: (workflow: W, step: string, signal: AbortSignal) => Promise<void>
  readonly tell: Tell
  readonly tools: Tools
}

/** A claim that was granted, and what it says of the time. */
export type Claimed<W extends Workflow> = Extract<Claim<GenerationView<W>>, { kind: 'claimed' }> & {
  /** Monotonic time at which it was asked for. */
  readonly askedAtMs: number
  /** Now, in the store's time. */
  readonly nowMs: () => number
}
