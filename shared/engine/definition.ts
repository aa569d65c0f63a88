import type * as z from 'zod'

import type { Attempt, Ended, Found } from './attempt.ts'
import type { WhyWithout } from './outcome.ts'
import type { GenerationView, Workflow } from './workflow.ts'

/** `job`: started once and asked for until it ends; `call`: one request, charged each time; `plain`: ours alone. */
export type StepKind = 'job' | 'call' | 'plain'

/** What the engine must know of a step to move a workflow; its code is not needed for that. */
export type StepSpec<Name extends string = string> = {
  readonly name: Name
  /** It starts when all of these are done or skipped. */
  readonly after: readonly StepSpec[]
  /**
   * It is done again when one of these is; the others it only waits for. A step that waits for others and builds on none
   * of them says `nothing`: forgotten, it would keep a result of what is not there any more.
   */
  readonly redoneWith: readonly StepSpec[] | 'nothing'
  readonly kind: StepKind
  /** Of the workflow's progress, in proportion to those of the other steps. */
  readonly share: number
  /** Passed over where this says so. */
  skips?(workflow: Workflow): boolean
  /** Whether this workflow needs a provider for it at all; true when absent. */
  needsProvider?(view: GenerationView): boolean
  /** Its provider can be told to stop a job, and is when the workflow is cancelled. */
  readonly stoppable?: boolean
  /** By what name owners allow or forbid doing without the provider; absent: it cannot be done without. */
  readonly fallback?: string
}

/** What a step makes without its provider, and in words for its owner what it lacks. */
type FallbackResult<Result> = { readonly result: Result | undefined; readonly degraded: string }

/**
 * A step: everything about it in one place.
 * @typeParam W what of the workflow its code reads
 * @typeParam Tools what its code uses of the world
 */
export type StepDefinition<
  Name extends string = string,
  Schema extends z.ZodType = z.ZodType,
  W extends Workflow = Workflow,
  Tools = unknown,
> = Omit<StepSpec<Name>, 'skips' | 'needsProvider'> & {
  skips?(workflow: W): boolean
  needsProvider?(view: GenerationView<W>): boolean
  /** Of the result that the workflow keeps. */
  readonly result: Schema
  run(attempt: Attempt<W>, tools: Tools): Promise<Ended<z.infer<Schema>>>
  /** Finds what an attempt that was not heard of again has left; undefined when it left nothing. */
  adopt?(attempt: Attempt<W>, tools: Tools): Promise<Found<z.infer<Schema>> | undefined>
  /** Does without the provider. @throws NoFallback, FallbackBusy */
  fallBack?(attempt: Attempt<W>, tools: Tools, because: WhyWithout): Promise<FallbackResult<z.infer<Schema>>>
}

/** The steps of a workflow in the order a person reads them. */
export type Pipeline = readonly StepSpec[]

/** @throws Error for steps that cannot work together: it says what is wrong with them */
export function definePipeline<const Steps extends Pipeline>(steps: Steps): Steps {
  for (const [index, { name, after, redoneWith }] of steps.entries()) {
    const earlier: Pipeline = steps.slice(0, index)
    if (earlier.some((step) => step.name === name)) throw new Error(`two steps are called ${name}`)
    for (const other of after)
      if (!earlier.includes(other)) throw new Error(`${name} waits for ${other.name}, which does not come before it`)
    if (redoneWith.length === 0 && after.length > 0)
      throw new Error(`${name} waits for others, and does not say what it is done again with (or 'nothing')`)
    for (const other of redoneSteps(redoneWith))
      if (!earlier.includes(other)) throw new Error(`${name} is done again with ${other.name}, which comes later`)
  }
  return steps
}

function redoneSteps(said: StepSpec['redoneWith']): readonly StepSpec[] {
  return said === 'nothing' ? [] : said
}

export function specOf(pipeline: Pipeline, name: string): StepSpec {
  const spec = pipeline.find((step) => step.name === name)
  if (spec === undefined) throw new Error(`no step is called ${name}`)
  return spec
}

/** The step itself and all that wait for it, directly or not. */
export function followersOf(pipeline: Pipeline, first: string): ReadonlySet<string> {
  return closure(pipeline, first, ({ after }) => after)
}

/** The step itself and all that have to be done again for another result of it. */
export function redoSetOf(pipeline: Pipeline, first: string): ReadonlySet<string> {
  return closure(pipeline, first, ({ redoneWith }) => redoneSteps(redoneWith))
}

function closure(pipeline: Pipeline, first: string, links: (step: StepSpec) => readonly StepSpec[]) {
  const names = new Set([first])
  for (const step of pipeline) if (links(step).some(({ name }) => names.has(name))) names.add(step.name)
  return names
}

/** The result of a step, as far as there is one. */
export function resultOf<Schema extends z.ZodType>(
  { results }: Pick<Workflow, 'results'>,
  { name }: { readonly name: string; readonly result: Schema },
): z.infer<Schema> | undefined {
  return results[name] as z.infer<Schema> | undefined
}
