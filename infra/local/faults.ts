import * as z from 'zod'

import { PROVIDER_NAMES } from '../../shared/providers/providers.ts'

/** What can be made to misbehave. */
export const TARGETS = [...PROVIDER_NAMES, 'gcs', 'firestore', 'tasks'] as const
export type Target = (typeof TARGETS)[number]

export const Fault = z.strictObject({
  mode: z.enum([
    'down',
    'reset',
    'blackhole',
    'slow',
    'status',
    'throttle',
    'malformed',
    'truncate',
    'webhook-lost',
    'webhook-twice',
    'blocked',
    'auth',
    'billing',
  ]),
  /** HTTP status of mode `status`. */
  status: z.int().min(400).max(599).optional(),
  /** Share of requests that are hit; 1 when absent. */
  rate: z.number().min(0).max(1).optional(),
  latencyMs: z.number().min(0).max(600_000).optional(),
  retryAfterSeconds: z.number().min(0).max(86_400).optional(),
  /** Ends by itself after so many hits. */
  times: z.int().min(1).optional(),
})
export type Fault = z.infer<typeof Fault>
export type FaultMode = Fault['mode']

const WEBHOOK_MODES: ReadonlySet<FaultMode> = new Set(['webhook-lost', 'webhook-twice'])

/** Which target misbehaves how, at the moment. */
export class Faults {
  readonly #active = new Map<Target, Fault>()
  readonly #listeners = new Set<(target: Target, fault: Fault | undefined) => Promise<void>>()

  /** `listener` hears of every change before the change is answered. */
  onChange(listener: (target: Target, fault: Fault | undefined) => Promise<void>): void {
    this.#listeners.add(listener)
  }

  async set(target: Target, fault: Fault): Promise<void> {
    this.#active.set(target, fault)
    await this.#tell(target, fault)
  }

  async clear(target?: Target): Promise<void> {
    for (const cleared of target === undefined ? TARGETS : [target]) {
      this.#active.delete(cleared)
      await this.#tell(cleared, undefined)
    }
  }

  /** The fault that hits this request, if one does. */
  hit(target: Target): Fault | undefined {
    return this.#take(target, (mode) => !WEBHOOK_MODES.has(mode) && mode !== 'down')
  }

  /** The fault that hits this webhook, if one does. */
  hitWebhook(target: Target): 'webhook-lost' | 'webhook-twice' | undefined {
    return this.#take(target, (mode) => WEBHOOK_MODES.has(mode))?.mode as 'webhook-lost' | 'webhook-twice' | undefined
  }

  #take(target: Target, concerns: (mode: FaultMode) => boolean): Fault | undefined {
    const fault = this.#active.get(target)
    if (fault === undefined || !concerns(fault.mode) || Math.random() >= (fault.rate ?? 1)) return undefined
    if (fault.times !== undefined) {
      if (fault.times <= 1) this.#active.delete(target)
      else this.#active.set(target, { ...fault, times: fault.times - 1 })
    }
    return fault
  }

  async #tell(target: Target, fault: Fault | undefined): Promise<void> {
    for (const listener of this.#listeners) await listener(target, fault)
  }
}
