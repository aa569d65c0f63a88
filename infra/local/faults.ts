import * as z from 'zod'

import { PROVIDER_NAMES, providerNamed } from '../../shared/providers/providers.ts'

/** What can be made to misbehave. */
export const TARGETS = [...PROVIDER_NAMES, 'gcs', 'firestore', 'tasks'] as const
export type Target = (typeof TARGETS)[number]

/** What each mode does. Firestore and Cloud Tasks speak gRPC, which has no HTTP answers to spoil. */
export const FAULT_MODES = {
  down: 'refuses connections',
  reset: 'breaks the connection off (gRPC: answers `UNAVAILABLE`)',
  blackhole: 'takes requests and never answers',
  slow: 'answers after `latencyMs` (5000)',
  status: 'answers with `status` (503), and `Retry-After` after `retryAfterSeconds` (gRPC: `UNAVAILABLE`)',
  throttle: 'answers 429, with `Retry-After` after `retryAfterSeconds`',
  auth: 'answers 401, as to a wrong key',
  billing: 'answers 402, as to an account that must pay',
  malformed: 'does what was asked, and answers what nobody can read',
  truncate: 'does what was asked, and hangs up in the middle of its answer',
  blocked: 'declines the content',
  'webhook-lost': 'does not call back',
  'webhook-twice': 'calls back twice',
} as const
export type FaultMode = keyof typeof FAULT_MODES
const MODES = Object.keys(FAULT_MODES) as [FaultMode, ...FaultMode[]]

const GRPC: ReadonlySet<Target> = new Set<Target>(['firestore', 'tasks'])
const GRPC_MODES: ReadonlySet<FaultMode> = new Set<FaultMode>(['down', 'reset', 'blackhole', 'slow', 'status'])
const WEBHOOK_MODES: ReadonlySet<FaultMode> = new Set<FaultMode>(['webhook-lost', 'webhook-twice'])

/** The modes that a target has. */
export function modesOf(target: Target): FaultMode[] {
  if (GRPC.has(target)) return MODES.filter((mode) => GRPC_MODES.has(mode))
  const provider = PROVIDER_NAMES.find((name) => name === target)
  const callsBack = provider !== undefined && providerNamed(provider).hook !== undefined
  return MODES.filter(
    (mode) => (mode !== 'blocked' || provider !== undefined) && (callsBack || !WEBHOOK_MODES.has(mode)),
  )
}

export const Fault = z.strictObject({
  mode: z.enum(MODES),
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

  /** What is on, by target. */
  list(): Partial<Record<Target, Fault>> {
    return Object.fromEntries(this.#active)
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
