import * as z from 'zod'

import { Problem } from './problem.ts'

/*
 * A workflow as its document keeps it: one document, so that one compare-and-set moves all of it. Objects are loose:
 * during a rollout two releases write the same documents, and neither may drop the other's fields.
 */

export const WorkflowStatus = z.enum(['draft', 'processing', 'ready', 'error', 'cancelled'])
export type WorkflowStatus = z.infer<typeof WorkflowStatus>

/** A job at a provider: intended (key), then uploaded to, then known by the provider's id. */
const Job = z.looseObject({
  key: z.string(),
  /** Whose job it is, whoever does the step in the end. */
  provider: z.string().optional(),
  webhookToken: z.string(),
  providerJobId: z.string().optional(),
  uploadedTo: z.string().optional(),
  /** Starts of its paid work that may have been charged, and when the last of them was sent. */
  starts: z.looseObject({ count: z.number().int(), atMs: z.number() }).optional(),
  polls: z.number().int(),
  /** When its provider was given it, and how long it may be at it, in ms, as far as that is known. */
  sinceMs: z.number().optional(),
  workMs: z.number().optional(),
  /** Its provider has been told to forget it. */
  removedAtMs: z.number().optional(),
  /** A webhook came while the step was held: look again as soon as it is free. */
  webhookCame: z.boolean().optional(),
  /** Until then an attempt that has lost the step may still be sending what makes the job. */
  openUntilMs: z.number().optional(),
})
export type Job = z.infer<typeof Job>
/** What becomes known of a job while it is made and waited for. */
export type KnownOfJob = Partial<Pick<Job, 'providerJobId' | 'uploadedTo' | 'starts' | 'sinceMs' | 'workMs'>>

/** A call which may be charged: of which attempt, to whom, and what is known of its cost, unit to amount. */
const RecordedCall = z.looseObject({
  attempt: z.string(),
  provider: z.string(),
  cost: z.record(z.string(), z.number()),
})

export const Step = z.looseObject({
  state: z.enum(['pending', 'running', 'waiting', 'done', 'skipped', 'error']),
  /** Tries of the work itself: waiting and asking for a job's state are none. */
  attempt: z.number().int(),
  /** Counts the tasks to work on this step within a generation; only the newest is obeyed. */
  dispatch: z.number().int(),
  startedAtMs: z.number().optional(),
  finishedAtMs: z.number().optional(),
  lease: z.looseObject({ token: z.string(), untilMs: z.number() }).optional(),
  /** Attempts in a row that were never heard of again, since one was. */
  lostInARow: z.number().int().optional(),
  /** When the newest task is due; the next event of a step nobody holds. */
  nextCheckAtMs: z.number().optional(),
  /** Who works on it, or did: a provider, or another word of the product's for whoever did without one. */
  provider: z.string().optional(),
  /** Providers that this step has given up on; the next in order is asked instead. */
  passedOver: z.array(z.string()).optional(),
  /**
   * Some of those were only away: since when the first was, which are come back to when all others are away, too, and at
   * which a paid call was left whose end nobody saw.
   */
  away: z
    .looseObject({ sinceMs: z.number(), providers: z.array(z.string()), open: z.array(z.string()).optional() })
    .optional(),
  /** A service could not be used; since when, and how often we have come back. */
  unavailable: z
    .looseObject({ service: z.string(), sinceMs: z.number(), waits: z.number(), untilMs: z.number() })
    .optional(),
  job: Job.optional(),
  /** Starts that may have been charged, of jobs that were given up for another. */
  startsInVain: z.number().int().optional(),
  /** Jobs at providers it has given up on: those that may be there, and those of a provider that is only away. */
  lostJobs: z.array(Job).optional(),
  /**
   * Calls the provider charges: sent, how many of them repeated one whose end nobody saw, whether the end of the last
   * is open, whether that last one is such a repeat, and how often such calls were given up as lost. `by`: the attempt
   * that made the last one. `repeatOf`: the one whose call the last one repeats.
   * `sent`: the last one while its holder may know its end, and what is known of its cost. `lost`: those whose end nobody
   * saw, as they are in the sums. `counted`: attempts whose costs are in the sums. `lostUntilMs`: when a call and its
   * repeat, both lost, count as ended.
   */
  paid: z
    .looseObject({
      calls: z.number().int(),
      repeats: z.number().int(),
      open: z.boolean(),
      isRepeat: z.boolean().optional(),
      writtenOff: z.number().int().optional(),
      by: z.string().optional(),
      repeatOf: z.string().optional(),
      counted: z.array(z.string()).optional(),
      sent: RecordedCall.optional(),
      lost: z.array(RecordedCall).optional(),
      lostUntilMs: z.number().optional(),
    })
    .optional(),
  /** Answers of its provider that nobody could read, since one could. */
  unreadable: z.number().int().optional(),
  /** How often its provider could not fetch from a service of ours that answered us, since something came of it. */
  unfetched: z.number().int().optional(),
  /** When the step last went forward. */
  progressAtMs: z.number().optional(),
  /** What it is at, in words for its owner. */
  activity: z.looseObject({ atMs: z.number(), what: z.string() }).optional(),
  /** How often a sweep has given it to another attempt, and since when nobody had looked after it. */
  requeued: z.looseObject({ count: z.number().int(), sinceMs: z.number(), atMs: z.number() }).optional(),
  /** In words for its owner: the result is not its provider's, and what it is instead. */
  degraded: z.string().optional(),
  /**
   * The result is a fallback's; how often its provider has been asked for a better one since, how long it was waited for
   * the first time, and when it is asked next.
   */
  fallback: z
    .looseObject({
      atMs: z.number(),
      tries: z.number().int(),
      pauseMs: z.number().optional(),
      nextTryAtMs: z.number().optional(),
    })
    .optional(),
  /** Its owner wants another result than there was. */
  anew: z.boolean().optional(),
  /** Why there is no fallback for this workflow; it is not tried again. */
  noFallback: z.string().optional(),
  /** Its provider has said its last word: only the fallback is left, and why. */
  onlyFallback: z
    .looseObject({
      canPass: z.boolean(),
      why: z.enum(['away', 'refused', 'failed']).optional(),
      refusal: z.string().optional(),
    })
    .optional(),
  error: Problem.optional(),
})
export type Step = z.infer<typeof Step>
export type PaidCalls = NonNullable<Step['paid']>

/** One change of a workflow or of one of its steps. */
export const HistoryEntry = z.looseObject({
  atMs: z.number(),
  what: z.string(),
  from: z.string().optional(),
  to: z.string(),
  attempt: z.number().optional(),
  by: z.string(),
  why: z.string().optional(),
  /** What the entry said of its step, to be compared with. */
  sign: z.string().optional(),
})
export type HistoryEntry = z.infer<typeof HistoryEntry>

/** What a workflow has cost: provider to unit to amount, as providers measure it. */
const Costs = z.record(z.string(), z.record(z.string(), z.number()))
type Costs = z.infer<typeof Costs>

/** The fields that the engine keeps in a document; a product adds its own beside them. */
export function workflowFields<S extends z.ZodType, R extends z.ZodType>(steps: S, results: R) {
  return {
    id: z.string(),
    status: WorkflowStatus,
    generation: z.number().int(),
    steps,
    results,
    /** One step of a ready workflow that is done again by its provider, with what builds on it, beside what there is. */
    upgrade: z
      .looseObject({ step: z.string(), generation: z.number().int(), startedAtMs: z.number(), steps, results })
      .optional(),
    /** The highest generation an upgrade has had. */
    lastGeneration: z.number().int().optional(),
    error: Problem.optional(),
    /** The latest changes, oldest first. */
    history: z.array(HistoryEntry).optional(),
    costs: Costs.optional(),
    /** Jobs at providers that were ever made for it. */
    jobs: z.array(z.looseObject({ step: z.string(), provider: z.string(), id: z.string() })).optional(),
    /** When the sweep must look at it should nothing else happen; absent: never. Derived, and kept to be queried. */
    sweepAtMs: z.number().optional(),
    /** When what it does not refer to was last removed. */
    tidiedAtMs: z.number().optional(),
    createdAtMs: z.number(),
    updatedAtMs: z.number(),
    processingSinceMs: z.number().optional(),
    /** Set by delete; from then on nobody sees the workflow, and deleting it can be resumed. */
    deletedAtMs: z.number().optional(),
    /** When its deletion can be ended, where that has to wait; absent: at once. */
    removalDueAtMs: z.number().optional(),
  }
}

type Steps = Readonly<Record<string, Step>>
type Results = Record<string, unknown>

/** A workflow as far as the engine is concerned. */
export type Workflow = {
  id: string
  status: WorkflowStatus
  generation: number
  steps: Steps
  results: Results
  upgrade?: { step: string; generation: number; startedAtMs: number; steps: Steps; results: Results } | undefined
  lastGeneration?: number | undefined
  error?: Problem | undefined
  history?: HistoryEntry[] | undefined
  costs?: Costs | undefined
  jobs?: { step: string; provider: string; id: string }[] | undefined
  sweepAtMs?: number | undefined
  tidiedAtMs?: number | undefined
  createdAtMs: number
  updatedAtMs: number
  processingSinceMs?: number | undefined
  deletedAtMs?: number | undefined
  removalDueAtMs?: number | undefined
}

/**
 * A workflow as one of its generations sees it: its own, or that of an upgrade that is worked on beside a ready one.
 * `replaces` is what the upgrade takes the place of, should it end well.
 */
export type GenerationView<W extends Workflow = Workflow> = W & {
  readonly replaces?: { readonly step: string; readonly steps: W['steps']; readonly results: W['results'] }
}

export function stepOf(workflow: Pick<Workflow, 'steps'>, name: string): Step {
  const step = workflow.steps[name]
  if (step === undefined) throw new Error(`a workflow without the step ${name}`)
  return step
}

type Optional<T> = { [K in keyof T]-?: undefined extends T[K] ? K : never }[keyof T]

/** A copy that lacks some of its optional fields. */
export function without<T extends object>(value: T, ...names: Optional<T>[]): T {
  const copy = { ...value }
  for (const name of names) delete copy[name]
  return copy
}

/** A copy of a workflow, of whatever product, that lacks some of the engine's optional fields. */
export function withoutFields<W extends Workflow>(workflow: W, ...names: Optional<Workflow>[]): W {
  const copy: Workflow = { ...workflow }
  for (const name of names) delete copy[name]
  return copy as W
}
