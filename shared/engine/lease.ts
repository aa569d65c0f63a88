import { LeaseLost, NotEntitled } from './failure.ts'
import { byAttempt } from './history.ts'
import { ENTITLED_SHARE, HEARTBEAT_SHARE } from './limits.ts'
import type { Clock, Tell, WorkflowStore } from './ports.ts'
import type { Pipeline } from './definition.ts'
import type { Fence } from './transitions/moved.ts'
import { renew } from './transitions/renew.ts'
import type { RenewEvent } from './transitions/renew.ts'
import { inGeneration } from './transitions/upgrade.ts'
import type { Workflow } from './workflow.ts'

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

/** The lease of a step in the hands of one attempt: renewed while it works, and given up when another has it. */
export class Lease<W extends Workflow> {
  readonly #options: LeaseOptions<W>
  readonly #lost = new AbortController()
  #renewedAtMs: number
  #activity: string | undefined
  #stop: (() => void) | undefined

  constructor(options: LeaseOptions<W>) {
    this.#options = options
    this.#renewedAtMs = options.askedAtMs
  }

  /** Aborts when the step is another attempt's. */
  get signal(): AbortSignal {
    return this.#lost.signal
  }

  /** Begins to renew the lease by itself. */
  begin(): void {
    const { clock, leaseMs, tell, workflowId, fence } = this.#options
    this.#stop = clock.every(leaseMs * HEARTBEAT_SHARE, () => {
      this.record({}).catch((error: unknown) => {
        if (!(error instanceof LeaseLost))
          tell('WARNING', 'step.heartbeat_failed', { workflowId, step: fence.step, error })
      })
    })
  }

  end(): void {
    this.#stop?.()
  }

  /** What the work is at; written with the next renewal. */
  tell(activity: string): void {
    this.#activity = activity
  }

  /** Renews the lease, and records what is known of the provider's job. @throws LeaseLost, and what the store throws */
  async record(job: RenewEvent['job']): Promise<void> {
    const { store, pipeline, clock, leaseMs, workflowId, fence } = this.#options
    const askedAtMs = clock.monotonicMs()
    const decision = await store.move(workflowId, (workflow, nowMs) => {
      const event = { fence, leaseMs, job, activity: this.#activity }
      const moved = inGeneration(workflow, fence.generation, (view) => renew(pipeline, view, event, nowMs))
      return { next: moved?.next, cause: { by: byAttempt(fence.token) } }
    })
    if (decision?.next === undefined) {
      const lost = new LeaseLost('the step is held by another attempt')
      this.#lost.abort(lost)
      throw lost
    }
    this.#renewedAtMs = askedAtMs
  }

  /**
   * Asked before each request leaves: an instance that was frozen, or could not renew its lease, must not send what
   * another may be sending. @throws NotEntitled
   */
  requireEntitlement(): void {
    const { clock, leaseMs } = this.#options
    if (clock.monotonicMs() - this.#renewedAtMs > leaseMs * ENTITLED_SHARE)
      throw new NotEntitled('the lease could not be renewed in time')
  }
}
