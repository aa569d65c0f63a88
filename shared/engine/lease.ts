import { LeaseLost, NoProgress, NotEntitled } from './failure.ts'
import { byAttempt } from './history.ts'
import { ENTITLED_SHARE, HEARTBEAT_SHARE } from './limits.ts'
import type { Clock, Tell, WorkflowStore } from './ports.ts'
import { AttemptProgress } from './progress.ts'
import type { Pipeline } from './definition.ts'
import type { Fence } from './transitions/moved.ts'
import { renew } from './transitions/renew.ts'
import type { RenewEvent } from './transitions/renew.ts'
import { inGeneration, viewGeneration } from './transitions/upgrade.ts'
import { stepOf } from './workflow.ts'
import type { Step, Workflow } from './workflow.ts'

/** A heartbeat that comes so many periods after the last is that of an instance that was frozen. */
const FROZEN_PERIODS = 3

export type LeaseOptions<W extends Workflow> = {
  readonly store: WorkflowStore<W>
  readonly pipeline: Pipeline
  readonly clock: Clock
  readonly tell: Tell
  readonly leaseMs: number
  readonly workflowId: string
  readonly fence: Fence
  /** Monotonic time at which the claim was asked for: the lease cannot have begun earlier. */
  readonly askedAtMs: number
}

/**
 * The lease of a step in the hands of one attempt: renewed while its work goes forward, and given up when another has it.
 * An attempt that hangs renews nothing: it is ended, and where even that does not help, the sweep sees it.
 */
export class Lease<W extends Workflow> {
  readonly #options: LeaseOptions<W>
  readonly #lost = new AbortController()
  #renewedAtMs: number
  readonly progress: AttemptProgress
  #activity: string | undefined
  #stop: (() => void) | undefined

  constructor(options: LeaseOptions<W>) {
    this.#options = options
    this.#renewedAtMs = options.askedAtMs
    this.progress = new AttemptProgress(options.clock)
  }

  /** Aborts when the step is another attempt's, and when this one hangs: its reason is `LeaseLost` or `NoProgress`. */
  get signal(): AbortSignal {
    return this.#lost.signal
  }

  /** Begins to renew the lease by itself. */
  begin(): void {
    const { clock, leaseMs, tell, workflowId, fence } = this.#options
    const periodMs = leaseMs * HEARTBEAT_SHARE
    let beatAtMs = clock.monotonicMs()
    this.#stop = clock.every(periodMs, () => {
      const nowMs = clock.monotonicMs()
      // Who was frozen could show nothing.
      if (nowMs - beatAtMs > FROZEN_PERIODS * periodMs) this.progress.advance()
      beatAtMs = nowMs
      if (this.progress.hangs) {
        this.end()
        return this.#lost.abort(new NoProgress('nothing was heard of the work for too long'))
      }
      this.#renew({}).catch((error: unknown) => {
        if (!(error instanceof LeaseLost))
          tell('WARNING', 'step.heartbeat_failed', { workflowId, step: fence.step, error })
      })
    })
  }

  end(): void {
    this.#stop?.()
  }

  /** Rejects when its signal aborts: what ignores the signal is not waited for. */
  whenOver(): Promise<never> {
    const { signal } = this
    const over = new Promise<never>((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true }),
    )
    over.catch(() => undefined)
    return over
  }

  /** What the work is at; written with the next renewal. */
  tell(activity: string): void {
    this.#activity = activity
    this.progress.advance()
  }

  /** Records what has become known of the provider's job. @throws LeaseLost, and what the store throws */
  async recordJob(job: RenewEvent['job']): Promise<void> {
    await this.#renew(job)
    this.progress.advance()
  }

  /** Records that a call is about to be made which may be charged. @returns the step's calls, that one among them */
  async recordCall(call: NonNullable<RenewEvent['call']>): Promise<Step['paid']> {
    const renewed = await this.#renew({}, call)
    return stepOf(viewGeneration(renewed, this.#options.fence.generation), this.#options.fence.step).paid
  }

  async #renew(job: RenewEvent['job'], call?: RenewEvent['call']): Promise<W> {
    const { store, pipeline, clock, leaseMs, workflowId, fence } = this.#options
    const askedAtMs = clock.monotonicMs()
    const decision = await store.move(workflowId, (workflow, nowMs) => {
      const event = { fence, leaseMs, job, call, activity: this.#activity }
      const moved = inGeneration(workflow, fence.generation, (view) => renew(pipeline, view, event, nowMs))
      return { next: moved?.next, cause: { by: byAttempt(fence.token) } }
    })
    if (decision?.next === undefined) {
      const lost = new LeaseLost('the step is held by another attempt')
      this.#lost.abort(lost)
      throw lost
    }
    this.#renewedAtMs = askedAtMs
    return decision.next
  }

  /**
   * Asked before each request leaves: an instance that was frozen, or could not renew its lease, must not send what
   * another may be sending. @throws NotEntitled; LeaseLost, NoProgress
   */
  requireEntitlement(): void {
    this.#lost.signal.throwIfAborted()
    const { clock, leaseMs } = this.#options
    if (clock.monotonicMs() - this.#renewedAtMs > leaseMs * ENTITLED_SHARE)
      throw new NotEntitled('the lease could not be renewed in time')
  }
}
