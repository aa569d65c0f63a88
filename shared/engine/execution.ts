import type * as z from 'zod'

import { FAILED, afterFailure, afterStall } from './after-failure.ts'
import type { FailedAttempt } from './after-failure.ts'
import { afterFallback } from './after-fallback.ts'
import type { FallBack } from './after-fallback.ts'
import type { Attempt, Ended } from './attempt.ts'
import { specOf } from './definition.ts'
import type { StepDefinition } from './definition.ts'
import { NoFallback, NoProgress, UnreadableResult } from './failure.ts'
import type { Failure } from './failure.ts'
import { nameAttempt } from './history.ts'
import type { Lease } from './lease.ts'
import type { AttemptCost, CallEnd, Outcome, Receipt, UpgradePlan } from './outcome.ts'
import { ATTEMPTS_EXHAUSTED, problemOf } from './problem.ts'
import type { Claimed, RunnerOptions } from './runner-options.ts'
import { pauseBeforeNextCall, settleCall } from './transitions/paid-calls.ts'
import { stepOf } from './workflow.ts'
import type { GenerationView, Step, Workflow } from './workflow.ts'

const BROKEN = { kind: 'broken' } as const

/** The work of one attempt under its lease: the code of the step, and what follows when that fails. */
export class Execution<W extends Workflow, Tools> {
  readonly attempt: Attempt<W>
  readonly #options: RunnerOptions<W, Tools>
  readonly #claimed: Claimed<W>
  readonly #definition: StepDefinition<string, z.ZodType, W, Tools>
  readonly #startedAtMs: number
  #requestLeft = false
  /** The attempt's paid call: none, recorded in the workflow, or sent. */
  #call: 'none' | 'recorded' | 'sent' = 'none'
  #paid: Step['paid']
  #cost: AttemptCost

  constructor(options: RunnerOptions<W, Tools>, claimed: Claimed<W>, lease: Lease<W>, requestSignal: AbortSignal) {
    const { fence, moved, provider, resumesIntent, nowMs } = claimed
    const signal = AbortSignal.any([requestSignal, lease.signal])
    this.#options = options
    this.#claimed = claimed
    this.#definition = specOf(options.pipeline, fence.step) as StepDefinition<string, z.ZodType, W, Tools>
    this.#startedAtMs = nowMs()
    this.attempt = {
      workflow: moved.next,
      name: fence.step,
      step: stepOf(moved.next, fence.step),
      provider: provider?.name,
      signal,
      call: {
        signal,
        correlationId: moved.next.id,
        random: options.random,
        progress: lease.progress,
        stillEntitled: () => {
          lease.requireEntitlement()
          this.#requestLeft = true
          if (this.#call === 'recorded') this.#call = 'sent'
        },
        beforeCharge: async (cost) => {
          // One that was refused, and is put in another way, is the same call.
          if (this.#call !== 'none' || provider === undefined) return
          this.#call = 'recorded'
          this.#paid = await lease.recordCall({ provider: provider.name, cost })
        },
      },
      resumesIntent,
      nowMs,
      charge: (cost) => {
        this.#cost = cost
        return { attempt: nameAttempt(fence.token), provider: provider?.name ?? '', cost }
      },
      tell: (activity) => lease.tell(activity),
      recordJob: (job) => lease.recordJob(job),
    }
  }

  /** Whether a paid call has left, or what makes a job, or looks for one whose id was never recorded. */
  get mayHaveGone(): boolean {
    const makesJob = this.#claimed.provider?.kind === 'job' && this.attempt.step.job?.providerJobId === undefined
    return this.#call === 'sent' || (makesJob && this.#requestLeft)
  }

  /** What is known of its paid call when the attempt is lost. */
  get lostCall(): CallEnd {
    if (this.#call === 'none') return 'unknown'
    if (this.#call === 'recorded') return 'unsent'
    return this.#cost === undefined ? 'ambiguous' : 'ended'
  }

  /** What the attempt has cost so far. */
  get cost(): AttemptCost {
    return this.#cost
  }

  /**
   * The result: what an earlier attempt left, else the provider's, else what can be had without it.
   * @throws whatever stops the work before its end: a lost lease, the end of the request
   */
  async work(): Promise<Outcome> {
    const { attempt } = this
    const { tools, settings, tell, newId } = this.#options
    try {
      const found = attempt.resumesIntent ? await this.#definition.adopt?.(attempt, tools) : undefined
      if (found !== undefined) return this.#adopt(found.result, found.receipt)
      if (this.#claimed.todo === 'run') return this.#outcomeOf(await this.#definition.run(attempt, tools))
    } catch (error) {
      if (attempt.signal.aborted) throw error
      const failed = this.#describe(error)
      if (!isAbsence(failed.failure))
        tell('ERROR', 'step.attempt_failed', { ...this.#fields, attempt: attempt.step.attempt, error })
      const decision = afterFailure(failed, settings, attempt.nowMs())
      this.#cost ??= this.#costOf(failed.failure)
      return decision.next === 'settle' ? decision.outcome : this.#fallBack(decision)
    }
    const problem = problemOf(ATTEMPTS_EXHAUSTED, newId())
    const { why = FAILED.why, ...more } = attempt.step.onlyFallback ?? FAILED
    const because = { ...more, why }
    return this.#fallBack({ call: 'unknown', because, otherwise: { kind: 'failed', problem, call: 'unknown' } })
  }

  /** What follows from an error where neither a fallback nor another provider is to be had. */
  settleFailure(error: unknown): Outcome {
    const failed = { ...this.#describe(error), mayFallBack: false, hasNextProvider: false }
    const decision = afterFailure(failed, this.#options.settings, this.attempt.nowMs())
    return decision.next === 'settle' ? decision.outcome : decision.otherwise
  }

  /** What follows where the attempt was given up because it hung. */
  settleStall(): Outcome {
    return afterStall(this.#describe(new NoProgress('it hung')))
  }

  #outcomeOf(ended: Ended<unknown>): Outcome {
    switch (ended.kind) {
      case 'done':
        this.#cost ??= ended.cost
        return { kind: 'done', result: this.#readable(ended.result), by: ended.by, degraded: ended.degraded }
      case 'adopted':
        return this.#adopt(ended.result, ended.receipt)
      case 'degraded':
        return this.#fellBack(ended, 'unknown', true)
      case 'polling':
        return { kind: 'polling', afterMs: ended.afterMs, activity: ended.activity }
    }
  }

  #adopt(result: unknown, receipt: Receipt | undefined): Outcome {
    return { kind: 'adopted', result: this.#readable(result), receipt }
  }

  /** Does without the provider, or says what follows where that cannot be had. */
  async #fallBack({ call, because, otherwise }: FallBack): Promise<Outcome> {
    const { attempt } = this
    const { tools, tell } = this.#options
    const fields = { ...this.#fields, provider: attempt.provider }
    try {
      if (this.#definition.fallBack === undefined) throw new NoFallback('there is none for this step')
      const made = await this.#definition.fallBack(attempt, tools, because)
      tell('NOTICE', 'step.fell_back', fields)
      return this.#fellBack(made, call, because.canPass)
    } catch (error) {
      if (attempt.signal.aborted) throw error
      const failed = this.settleFailure(error)
      if (failed.kind !== 'waiting') tell('WARNING', 'step.no_fallback', { ...fields, error })
      const found = error instanceof NoFallback ? ({ kind: 'none', why: error.message } as const) : BROKEN
      return afterFallback({ call, because, otherwise, found, failed, attempt: attempt.step.attempt })
    }
  }

  #fellBack(made: { readonly result: unknown; readonly degraded: string }, call: CallEnd, canPass: boolean): Outcome {
    const { workflow } = this.attempt
    const { wantsUpgrade, settings } = this.#options
    const afterMs = pauseBeforeNextCall(settleCall(this.#step, call), settings.upgradeAfterMs)
    const upgrade: UpgradePlan =
      canPass && afterMs !== undefined && wantsUpgrade(workflow) ? { kind: 'later', afterMs } : { kind: 'never' }
    const result = made.result === undefined ? undefined : this.#readable(made.result)
    return { kind: 'fellBack', result, degraded: made.degraded, call, upgrade }
  }

  /** The result as whoever reads the workflow will read it. @throws UnreadableResult before it is stored */
  #readable(result: unknown): unknown {
    const { name, result: schema } = this.#definition
    const parsed = schema.safeParse(result)
    if (!parsed.success) throw new UnreadableResult(name, parsed.error)
    return parsed.data
  }

  #describe(error: unknown): FailedAttempt {
    const { explain, providersOf, random, newId, allowsFallback } = this.#options
    const { workflow, name, provider } = this.attempt
    const step = this.#step
    const passedOver = new Set([...(step.passedOver ?? []), provider])
    return {
      failure: explain(error),
      kind: this.#claimed.provider?.kind ?? 'plain',
      provider,
      hasNextProvider:
        provider !== undefined && providersOf(name, workflow).some((other) => !passedOver.has(other.name)),
      step,
      callCounted: this.#call !== 'none',
      callLeft: this.#call === 'sent',
      wasCharged: this.#cost !== undefined,
      mayFallBack: mayFallBack(workflow, this.#definition, allowsFallback),
      isUpgrade: workflow.replaces !== undefined,
      startedAtMs: this.#startedAtMs,
      jitter: random(),
      errorId: newId(),
    }
  }

  /** An answer that nobody can read was charged all the same. */
  #costOf(failure: Failure): AttemptCost {
    const cost = 'cost' in failure ? failure.cost : undefined
    return failure.kind === 'unreadable' && this.#call === 'sent' ? (cost ?? 'unknown') : cost
  }

  /** With the attempt's own call, once that is recorded. */
  get #step(): Step {
    const { step } = this.attempt
    return this.#paid === undefined ? step : { ...step, paid: this.#paid }
  }

  get #fields() {
    return { workflowId: this.attempt.workflow.id, step: this.attempt.name }
  }
}

/** Of a service, and no trouble of the step: whoever keeps the log sees it elsewhere. */
function isAbsence(failure: Failure): boolean {
  return failure.kind === 'away' || (failure.kind === 'unfetched' && failure.isAway)
}

/** Whether a step may do without its provider: owner, configuration and workflow all have a say. */
export function mayFallBack<W extends Workflow>(
  view: GenerationView<W>,
  { name, fallback }: { readonly name: string; readonly fallback?: string },
  allows: (workflow: W, fallback: string) => boolean,
): boolean {
  if (fallback === undefined || view.replaces !== undefined || stepOf(view, name).noFallback !== undefined) return false
  return allows(view, fallback)
}
