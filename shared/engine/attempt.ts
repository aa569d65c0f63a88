import type { CallContext } from '../resilience/call-context.ts'
import type { Cost, Receipt } from './outcome.ts'
import type { GenerationView, Job, KnownOfJob, Step, Workflow } from './workflow.ts'

/** One attempt of one step, as the code that does the work sees it. */
export type Attempt<W extends Workflow = Workflow> = {
  /** As its generation sees it: an upgrade has results of its own. */
  readonly workflow: GenerationView<W>
  readonly name: string
  readonly step: Step
  /** The provider to ask; undefined where none is needed. */
  readonly provider: string | undefined
  readonly signal: AbortSignal
  /** For outbound calls: carries the signal, and lets none leave that may no longer be sent. */
  readonly call: CallContext
  /** An earlier attempt meant to do the same and was not heard of again: look before doing it again. */
  readonly resumesIntent: boolean
  /** Now, in the store's time. */
  nowMs(): number
  /**
   * Says that a paid call has gone through, and what it cost: should its result be lost from here on, another call would
   * be a repeat.
   * @returns what to keep with the result
   */
  charge(cost: Cost): Receipt
  /** Says what the work is at; its owner sees it from the next heartbeat on. */
  tell(activity: string): void
  /** Records what is known about the provider's job, at once. @throws LeaseLost when the step is somebody else's */
  recordJob(job: KnownOfJob): Promise<void>
}

/** How the code of a step ends when nothing went wrong. */
export type Ended<Result> =
  /** `by`: who did it, where that is not the provider that was to. `cost`: of the job; calls are charged by `charge`. */
  | { kind: 'done'; result: Result; by?: string; degraded?: string; cost?: Cost }
  /** The same was made before, and is used again: no call was made. `receipt`: of the workflow's own call that made it. */
  | { kind: 'adopted'; result: Result; receipt?: Receipt | undefined }
  /** Done without the provider, which is asked for a better result later. */
  | { kind: 'degraded'; result: Result; degraded: string }
  | { kind: 'polling'; afterMs: number; activity?: string }

/** What an earlier attempt has left: its result, and what that has cost, where it is kept with it. */
export type Found<Result> = { readonly result: Result; readonly receipt?: Receipt | undefined }

/** The job of a job step; claiming it made sure that there is one. */
export function jobOf({ step }: Pick<Attempt, 'step'>): Job {
  if (step.job === undefined) throw new Error('a job step without a job')
  return step.job
}
