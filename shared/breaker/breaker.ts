import { randomUUID } from 'node:crypto'

import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { FleetRecord } from './fleet-record.ts'
import type { Trouble } from './fleet-record.ts'
import { BreakerOpenError } from './open-error.ts'
import type { BreakerState, OpenReason } from './record.ts'
import { Results } from './results.ts'
import { breakerSettings } from './settings.ts'
import type { BreakerSettings } from './settings.ts'
import type { BreakerStore } from './store.ts'
import { claim, settleProbe, suspend, verdict } from './transitions.ts'
import type { BreakerEvent, ProbeResult, Suspension } from './transitions.ts'

/** What a failed call says about the provider. `ignored`: nothing, such as a refused input. */
export type FailureMeaning = 'failure' | 'ignored' | Suspension

export type BreakerOptions = {
  /** Also the name of its document. */
  readonly name: string
  /** Where the fleet agrees; without one the breaker is this process's own. */
  readonly store?: BreakerStore | undefined
  readonly settings?: Partial<BreakerSettings>
  /** Everything counts as a failure unless this says otherwise; a call that its caller aborted never does. */
  readonly classify?: (error: unknown) => FailureMeaning
  /** Hears of each transition once, from the instance that made it; `local`: of one that this instance made alone. */
  readonly onEvent?: (event: BreakerEvent & { readonly breaker: string; readonly local: boolean }) => unknown
  readonly onTrouble?: (trouble: Trouble, breaker: string, cause: unknown) => unknown
  readonly clock?: Clock
  /** In [0, 1). */
  readonly random?: () => number
}

/** Leave to make one call. Its end must be told to `settle`, or, for a probe, its lease runs out. */
export type Admission = {
  readonly generation: number
  /** Set for the one call that tests whether the provider is well again. */
  readonly probe: { readonly holder: string; readonly leaseMs: number } | undefined
}

type CallOptions = {
  /** How long the call may take should it be the probe, in ms; it is aborted then. */
  readonly leaseMs?: number | undefined
}

/** Only the prober waits for its lease: for so long that a slow store does not mean several probes. */
const CLAIMING = { alone: 'always', insist: true, waitMs: 3000 } as const
const PROBING = { alone: 'always', insist: true } as const
const SUSPENDING = { alone: 'always', insist: false } as const
const NEVER = new AbortController().signal

/**
 * A circuit breaker that a whole fleet agrees on: closed, open and half-open are one document that every instance goes
 * by, and while all is well an instance touches it only to read it, once per TTL and inside a call.
 */
export class CircuitBreaker {
  readonly name: string
  readonly settings: BreakerSettings
  readonly #fleet: FleetRecord
  readonly #results: Results
  readonly #clock: Clock
  readonly #random: () => number
  readonly #classify: (error: unknown) => FailureMeaning
  /** What calls are admitted with while the breaker is closed. */
  #admission: Admission = { generation: 0, probe: undefined }
  /** Until when, on the monotonic clock, every call is admitted without a further look. */
  #doorOpenUntilMs = Number.NEGATIVE_INFINITY
  /** Until when, on the monotonic clock, every call is rejected without a further look, and why. */
  #shutUntilMs = Number.NEGATIVE_INFINITY
  #shut: { reason: OpenReason; endsAtMs: number | undefined } = { reason: 'failures', endsAtMs: undefined }
  #claiming = false

  constructor(options: BreakerOptions) {
    const { name, store, onEvent, onTrouble } = options
    this.name = name
    this.settings = breakerSettings(options.settings)
    this.#clock = options.clock ?? systemClock
    this.#random = options.random ?? Math.random
    this.#classify = options.classify ?? (() => 'failure')
    this.#fleet = new FleetRecord({
      name,
      store,
      settings: this.settings,
      clock: this.#clock,
      random: this.#random,
      onSeen: () => this.#seen(),
      onEvent: (event, local) => harmless(() => onEvent?.({ ...event, breaker: name, local })),
      onTrouble: (trouble, cause) => harmless(() => onTrouble?.(trouble, name, cause)),
    })
    this.#results = new Results(this.#fleet, this.settings, this.#clock)
    this.#seen()
  }

  /** Begins the first look at the fleet's state; call it when the process starts. */
  warmUp(): void {
    void this.#fleet.refresh()
  }

  /** As far as this instance knows, without a look at the store. */
  get state(): BreakerState {
    const decided = verdict(this.#fleet.record, this.#fleet.nowMs, this.settings)
    if (decided.kind === 'admit') return this.#results.shielded ? 'open' : 'closed'
    return decided.kind === 'reject' && decided.reason === 'forced' ? 'open' : this.#fleet.record.state
  }

  /**
   * Makes the call if it may be made, and learns from how it ends.
   * @param call its signal aborts with the caller's, and for a probe when its lease ends
   * @throws BreakerOpenError when it may not be made; what the call throws; the signal's reason
   */
  async execute<T>(
    call: (signal: AbortSignal) => PromiseLike<T> | T,
    signal?: AbortSignal,
    options?: CallOptions,
  ): Promise<T> {
    if (signal?.aborted) throw signal.reason
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#shutUntilMs) throw this.#stillShut(nowMs)
    const admission = nowMs < this.#doorOpenUntilMs ? this.#admission : await this.#admitAfterLook(options)
    if (admission.probe !== undefined) return this.#probe(call, signal ?? NEVER, admission, admission.probe.leaseMs)
    const { slowCallMs } = this.settings
    const startedAtMs = slowCallMs === undefined ? 0 : this.#clock.monotonicMs()
    let result: T
    try {
      result = await call(signal ?? NEVER)
    } catch (error) {
      await this.settle(admission, this.#meaning(error, signal))
      throw error
    }
    const slow = slowCallMs !== undefined && this.#clock.monotonicMs() - startedAtMs > slowCallMs
    const { generation } = admission
    const reported = slow ? this.#failed(generation) : this.#results.succeeded(generation)
    if (reported !== undefined) await reported
    return result
  }

  /** Asks for leave to make one call. @throws BreakerOpenError */
  async admit(options?: CallOptions): Promise<Admission> {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#shutUntilMs) throw this.#stillShut(nowMs)
    return nowMs < this.#doorOpenUntilMs ? this.#admission : this.#admitAfterLook(options)
  }

  /** Tells how an admitted call ended. Never throws: what the store makes of it is not the caller's business. */
  async settle(admission: Admission, result: ProbeResult): Promise<void> {
    if (admission.probe !== undefined) await this.#settleProbe(admission.probe.holder, result)
    else if (result === 'success') await this.#results.succeeded(admission.generation)
    else if (result === 'failure') await this.#failed(admission.generation)
    else if (result !== 'ignored') await this.#suspended(admission, result)
  }

  async #admitAfterLook(options: CallOptions | undefined): Promise<Admission> {
    const looking = this.#fleet.refresh()
    if (looking !== undefined) await looking
    const arguing = this.#results.argue()
    if (arguing !== undefined) await arguing
    const admission = this.#admitNow()
    if (admission !== 'probe') return admission
    const leaseMs = options?.leaseMs ?? this.settings.probeLeaseMs
    const holder = randomUUID()
    this.#claiming = true
    try {
      const terms = { id: holder, leaseMs }
      const change = await this.#fleet.change(
        holder,
        (record, nowMs) => claim(record, terms, nowMs, this.settings),
        CLAIMING,
      )
      if (change === 'landed' || change === 'local')
        return { generation: this.#fleet.record.generation, probe: { holder, leaseMs } }
    } finally {
      this.#claiming = false
    }
    const again = this.#admitNow()
    if (again === 'probe') throw this.#rejection('half_open', this.#fleet.record.reason ?? 'failures', undefined)
    return again
  }

  /** @throws BreakerOpenError */
  #admitNow(): Admission | 'probe' {
    const { record, nowMs } = this.#fleet
    const decided = verdict(record, nowMs, this.settings)
    switch (decided.kind) {
      case 'admit':
        if (this.#results.shielded) throw this.#rejection('open', 'failures', this.#results.shieldEndsInMs)
        if (decided.share < 1 && this.#random() >= decided.share) throw this.#rejection('closed', 'ramp', undefined)
        this.#openDoor(decided.share === 1)
        return this.#admission
      case 'probe':
        // Nobody waits in line behind a probe.
        if (this.#claiming) throw this.#rejection('half_open', record.reason ?? 'failures', undefined)
        return 'probe'
      case 'reject': {
        const knownEnd = record.state === 'half_open' && decided.reason !== 'forced' ? null : decided.untilMs
        if (record.state === 'open') this.#shutTheDoor(decided.reason, decided.untilMs)
        throw this.#rejection(record.state, decided.reason, knownEnd === null ? undefined : knownEnd - nowMs)
      }
    }
  }

  #shutTheDoor(reason: OpenReason, untilMs: number | null): void {
    const endsAtMs = untilMs === null ? undefined : untilMs - this.#fleet.offsetMs
    this.#shut = { reason, endsAtMs }
    this.#shutUntilMs = Math.min(this.#fleet.freshUntilMs, endsAtMs ?? Number.POSITIVE_INFINITY)
  }

  #stillShut(nowMs: number): BreakerOpenError {
    const { reason, endsAtMs } = this.#shut
    return this.#rejection('open', reason, endsAtMs === undefined ? undefined : endsAtMs - nowMs)
  }

  /** @param endsInMs undefined: nobody knows, and it is worth asking again when the state is read anew */
  #rejection(state: BreakerState, reason: BreakerOpenError['reason'], endsInMs: number | undefined): BreakerOpenError {
    const unknownMs = reason === 'forced' ? this.settings.recoveryMs : this.settings.cacheTtlMs
    return BreakerOpenError.of({ breaker: this.name, state, reason, retryAfterMs: Math.max(1, endsInMs ?? unknownMs) })
  }

  async #probe<T>(
    call: (signal: AbortSignal) => PromiseLike<T> | T,
    signal: AbortSignal,
    admission: Admission,
    leaseMs: number,
  ): Promise<T> {
    const lease = new AbortController()
    const callOff = this.#clock.after(leaseMs, () => lease.abort(new ProbeOverdue(this.name, leaseMs)))
    const startedAtMs = this.#clock.monotonicMs()
    let result: T
    try {
      result = await call(AbortSignal.any([signal, lease.signal]))
    } catch (error) {
      await this.settle(admission, lease.signal.aborted ? 'failure' : this.#meaning(error, signal))
      throw error
    } finally {
      callOff()
    }
    const { slowCallMs } = this.settings
    const slow = slowCallMs !== undefined && this.#clock.monotonicMs() - startedAtMs > slowCallMs
    await this.settle(admission, slow ? 'failure' : 'success')
    return result
  }

  #meaning(error: unknown, signal: AbortSignal | undefined): FailureMeaning {
    if (signal?.aborted) return 'ignored'
    try {
      return this.#classify(error)
    } catch {
      return 'failure'
    }
  }

  #failed(generation: number): Promise<void> | undefined {
    const reported = this.#results.failed(generation)
    if (this.#results.shielded) this.#openDoor(false)
    return reported
  }

  async #suspended(admission: Admission, suspension: Suspension): Promise<void> {
    const terms = { generation: admission.generation, id: randomUUID(), suspension }
    await this.#fleet.change(terms.id, (record, nowMs) => suspend(record, terms, nowMs, this.settings), SUSPENDING)
  }

  async #settleProbe(holder: string, result: ProbeResult): Promise<void> {
    const terms = { id: randomUUID(), holder, result }
    await this.#fleet.change(
      terms.id,
      (record, nowMs) => settleProbe(record, terms, nowMs, this.settings, this.#random),
      PROBING,
    )
  }

  /** Goes by what the fleet's record says now. */
  #seen(): void {
    const { record, nowMs } = this.#fleet
    if (record.generation !== this.#admission.generation)
      this.#admission = { generation: record.generation, probe: undefined }
    this.#results.seen()
    this.#shutUntilMs = Number.NEGATIVE_INFINITY
    const decided = verdict(record, nowMs, this.settings)
    this.#openDoor(decided.kind === 'admit' && decided.share === 1)
  }

  /** While it is open every call is admitted without a further look. */
  #openDoor(open: boolean): void {
    this.#doorOpenUntilMs = open && !this.#results.shielded ? this.#fleet.freshUntilMs : Number.NEGATIVE_INFINITY
  }
}

/** The reason a probe is aborted with. */
class ProbeOverdue extends Error {
  override readonly name = 'ProbeOverdue'

  constructor(breaker: string, leaseMs: number) {
    super(`the probe of '${breaker}' took longer than its lease of ${leaseMs} ms`)
  }
}

/** Whoever listens can do no harm, now or later. */
function harmless(listen: () => unknown): void {
  try {
    const heard = listen()
    if (heard instanceof Promise) heard.catch(() => undefined)
  } catch {
    // The listener's own fault, and nobody else's.
  }
}
