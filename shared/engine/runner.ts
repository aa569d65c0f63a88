import { equalJitterMs } from '../resilience/backoff.ts'
import { specOf } from './definition.ts'
import { Execution, mayFallBack } from './execution.ts'
import { LeaseLost, NoProgress } from './failure.ts'
import { byAttempt } from './history.ts'
import { Lease } from './lease.ts'
import { HEARTBEAT_SHARE } from './limits.ts'
import type { AttemptCost, CallEnd, Outcome } from './outcome.ts'
import type { Claimed, RunnerOptions } from './runner-options.ts'
import { enqueueAll } from './enqueue.ts'
import type { StepTask } from './task.ts'
import { claim } from './transitions/claim.ts'
import { letGo } from './transitions/renew.ts'
import { outstandingTasks } from './transitions/moved.ts'
import { settle } from './transitions/settle.ts'
import { settleLate } from './transitions/settle-late.ts'
import { inGeneration, mergeView, viewGeneration } from './transitions/upgrade.ts'
import { stepOf } from './workflow.ts'
import type { Workflow } from './workflow.ts'

/** What became of a task. `busy` and `interrupted` need it delivered again; all others end it. */
export type TaskEnd =
  | { kind: 'absent' | 'gaveUp' | 'fenced' | 'busy' | 'interrupted' }
  | { kind: 'stale'; reason: string }
  | { kind: Outcome['kind'] }

/** How an attempt has ended, and its paid call with it; no outcome: it was lost. */
type EndedAttempt = {
  readonly call: CallEnd
  readonly cost: AttemptCost
} & ({ readonly outcome: Outcome } | { readonly outcome: undefined })

const SETTLE_BACKOFF = { baseMs: 500, capMs: 4_000 }

/**
 * Carries out tasks: claim the step, look for what an earlier attempt left, run it or do without its provider, settle,
 * enqueue what follows. A task that is delivered twice, late or after its time changes nothing; one whose worker is
 * killed half-way goes on, delivered again, from what was recorded.
 */
export class StepRunner<W extends Workflow, Tools> {
  readonly #options: RunnerOptions<W, Tools>

  constructor(options: RunnerOptions<W, Tools>) {
    this.#options = options
  }

  /** @throws what the store or the queue throws when it is away: the task must be delivered again */
  async run(workflowId: string, task: StepTask, signal: AbortSignal): Promise<TaskEnd> {
    const { queue, tell, afterStale } = this.#options
    const { step, generation } = task
    const fields = { workflowId, step, generation, dispatch: task.dispatch }
    const { claimed, workflow } = await this.#claim(workflowId, task)
    if (claimed === undefined || workflow === undefined) {
      tell('NOTICE', 'step.stale', { ...fields, reason: 'there is no such workflow' })
      return { kind: 'absent' }
    }
    switch (claimed.kind) {
      case 'stale':
        tell('NOTICE', 'step.stale', { ...fields, reason: claimed.reason })
        // The task was carried out, but what it led to may never have been enqueued.
        await enqueueAll(queue, workflowId, claimed.tasks)
        await afterStale(workflow, step, signal)
        return { kind: 'stale', reason: claimed.reason }
      case 'busy':
        return { kind: 'busy' }
      case 'gaveUp':
        tell('ERROR', 'step.gave_up', { ...fields, error: claimed.moved.next.error })
        return { kind: 'gaveUp' }
      case 'claimed': {
        const ended = await this.#execute(claimed, signal, fields)
        if (ended === 'interrupted') return { kind: 'interrupted' }
        if (ended.outcome === undefined || !(await this.#settle(claimed, ended, fields))) {
          await this.#settleLate(claimed, ended, fields)
          tell('NOTICE', 'step.fenced', fields)
          return { kind: 'fenced' }
        }
        return { kind: ended.outcome.kind }
      }
    }
  }

  async #claim(workflowId: string, task: StepTask) {
    const { store, pipeline, clock, newId, newWebhookToken, providersOf, settings, allowsFallback } = this.#options
    const spec = specOf(pipeline, task.step)
    const event = {
      task,
      token: newId(),
      leaseMs: settings.stepLeaseMs,
      newJob: { key: `${workflowId}-g${task.generation}-${task.step}`, webhookToken: newWebhookToken(workflowId) },
      errorId: newId(),
    }
    const askedAtMs = clock.monotonicMs()
    let aheadMs = 0
    const decision = await store.move(workflowId, (workflow, nowMs) => {
      aheadMs = nowMs - clock.monotonicMs()
      const view = viewGeneration(workflow, task.generation)
      const providers = providersOf(task.step, view)
      const ask = { ...event, providers, mayFallBack: mayFallBack(view, spec, allowsFallback) }
      const claimed = claim<W>(pipeline, view, ask, nowMs)
      const next = 'moved' in claimed ? mergeView(workflow, claimed.moved.next) : undefined
      const by = claimed.kind === 'claimed' ? byAttempt(event.token) : 'system'
      return { claimed, workflow, next, cause: { by } }
    })
    if (decision === undefined) return { claimed: undefined, workflow: undefined }
    const { claimed, workflow } = decision
    const nowMs = () => clock.monotonicMs() + aheadMs
    return { claimed: claimed.kind === 'claimed' ? { ...claimed, askedAtMs, nowMs } : claimed, workflow }
  }

  /** Works under the lease of a step. No outcome: it is another attempt's; `interrupted`: the request's time is up. */
  async #execute(
    claimed: Claimed<W>,
    requestSignal: AbortSignal,
    fields: Record<string, unknown>,
  ): Promise<EndedAttempt | 'interrupted'> {
    const { store, pipeline, clock, tell, settings } = this.#options
    const { fence, moved, askedAtMs, resumesIntent } = claimed
    const { id: workflowId } = moved.next
    const { stepLeaseMs: leaseMs } = settings
    const lease = new Lease<W>({ store, pipeline, clock, tell, leaseMs, workflowId, fence, askedAtMs })
    const execution = new Execution(this.#options, claimed, lease, requestSignal)
    tell('INFO', 'step.started', { ...fields, attempt: execution.attempt.step.attempt, resumesIntent })
    lease.begin()
    try {
      return endWith(await Promise.race([execution.work(), lease.whenOver()]), execution.cost)
    } catch (error) {
      if (lease.signal.reason instanceof NoProgress) {
        tell('ERROR', 'step.hung', { ...fields, attempt: execution.attempt.step.attempt, error })
        return endWith(execution.settleStall(), execution.cost)
      }
      if (lease.signal.aborted || error instanceof LeaseLost)
        return { outcome: undefined, call: execution.lostCall, cost: execution.cost }
      if (!requestSignal.aborted) return endWith(execution.settleFailure(error), execution.cost)
      // A paid call that has left may have gone through, and so may what makes a job: those wait for the lease.
      if (!execution.mayHaveGone) await this.#letGo(claimed, execution.lostCall)
      return 'interrupted'
    } finally {
      lease.end()
    }
  }

  /** @returns false when the step is another attempt's by now */
  async #settle(
    { fence, moved: { next: seen } }: Claimed<W>,
    { outcome, cost }: EndedAttempt & { readonly outcome: Outcome },
    fields: Record<string, unknown>,
  ): Promise<boolean> {
    const { store, queue, pipeline } = this.#options
    const event = { fence, outcome, cost }
    // A step that goes to another provider has no error of its own: only its history can say what became of this one.
    const cause = { by: byAttempt(fence.token), ...('why' in outcome && { why: outcome.why }) }
    const decision = await this.#persistently(fields, () =>
      store.move(seen.id, (before, nowMs) => {
        const moved = inGeneration(before, fence.generation, (view) => settle(pipeline, view, event, nowMs))
        return { before, next: moved?.next, tasks: moved?.tasks ?? [], cause, nowMs }
      }),
    )
    if (decision === undefined) return false
    if (decision.next === undefined) {
      // It may have been an earlier try of ours that landed, whose answer was lost: nobody else would enqueue these.
      const view = viewGeneration(decision.before, fence.generation)
      await enqueueAll(queue, seen.id, outstandingTasks(view, fence.generation))
      return false
    }
    this.#tellOfSettling(decision.before, decision.next, { ...fields, outcome: outcome.kind }, decision.nowMs)
    await enqueueAll(queue, seen.id, decision.tasks)
    return true
  }

  /** What a lost attempt knows of its paid call is told all the same, so that nobody is told of more or less than there was. */
  async #settleLate(
    { fence, provider, moved: { next: seen } }: Claimed<W>,
    { call, cost }: EndedAttempt,
    fields: Record<string, unknown>,
  ): Promise<void> {
    // A job's cost is told by whoever asks for it last.
    if (provider?.kind !== 'call' || (cost === undefined && call !== 'unsent' && call !== 'ended')) return
    const { store, pipeline, tell } = this.#options
    const event = { fence, provider: provider.name, call, cost }
    try {
      await store.move(seen.id, (workflow, nowMs) => ({
        next: settleLate(pipeline, workflow, event, nowMs)?.next,
        cause: { by: byAttempt(fence.token), why: 'it was lost, and its call has ended' },
      }))
    } catch (error) {
      tell('WARNING', 'step.late_settle_failed', { ...fields, error })
    }
  }

  #tellOfSettling(before: W, after: W, fields: Record<string, unknown>, nowMs: number): void {
    const { tell } = this.#options
    const { id: workflowId, status, error, costs, generation } = after
    const { state, requeued } = stepOf(after, String(fields['step']))
    tell('INFO', 'step.settled', { ...fields, state, status })
    if (status !== before.status) tell('NOTICE', `workflow.${status}`, { workflowId, error, costs })
    if (before.upgrade !== undefined && after.upgrade === undefined)
      tell('NOTICE', generation === fields['generation'] ? 'workflow.upgraded' : 'workflow.upgrade_given_up', fields)
    if (requeued !== undefined && state === 'done')
      tell('NOTICE', 'step.cured', { ...fields, requeues: requeued.count, tookMs: nowMs - requeued.sinceMs })
  }

  /** The write that a step's work was for is tried for as long as the lease is likely to last. */
  async #persistently<T>(fields: object, write: () => Promise<T>): Promise<T> {
    const { clock, settings, explain, random, tell } = this.#options
    const untilMs = clock.monotonicMs() + settings.stepLeaseMs * (1 - HEARTBEAT_SHARE)
    for (let tries = 0; ; tries++) {
      try {
        return await write()
      } catch (error) {
        const waitMs = equalJitterMs(SETTLE_BACKOFF, tries, random)
        if (clock.monotonicMs() + waitMs > untilMs || explain(error).kind !== 'away') throw error
        tell('WARNING', 'step.settle_retried', { ...fields, tries, error })
        await clock.sleep(waitMs)
      }
    }
  }

  /** Lets the next delivery go on at once. */
  async #letGo({ fence, moved }: Claimed<W>, call: CallEnd): Promise<void> {
    const { store, pipeline } = this.#options
    const given = store.move(moved.next.id, (workflow, nowMs) => ({
      next: inGeneration(workflow, fence.generation, (view) => letGo(pipeline, view, { fence, call }, nowMs))?.next,
      cause: { by: byAttempt(fence.token), why: 'its instance is ending' },
    }))
    await given.catch(() => undefined)
  }
}

/** What the outcome of an attempt says of its paid call; what it has cost says whether it was charged. */
function endWith(outcome: Outcome, cost: AttemptCost): EndedAttempt & { readonly outcome: Outcome } {
  if ('call' in outcome) return { outcome, call: outcome.call, cost }
  return { outcome, call: outcome.kind === 'done' ? 'ended' : 'unknown', cost }
}
