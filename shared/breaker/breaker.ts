import { randomUUID } from 'node:crypto'

import { isTimeUp, unlessAborted } from './abort.ts'
import { callHarmlessly } from './call-harmlessly.ts'
import { requireClock, systemClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { FleetRecord } from './fleet-record.ts'
import type { Trouble } from './fleet-record.ts'
import { readMeaning, readResult } from './meaning.ts'
import type { FailureMeaning } from './meaning.ts'
import { BreakerOpenError } from './open-error.ts'
import { Prober } from './probe.ts'
import type { Probe } from './probe.ts'
import type { BreakerState, OpenReason } from './record.ts'
import { Results } from './results.ts'
import { breakerSettings, requireName } from './settings.ts'
import type { BreakerSettings } from './settings.ts'
import type { BreakerStore } from './store.ts'
import { decideAdmission, suspend } from './transitions.ts'
import type { BreakerEvent, ProbeResult, Suspension } from './transitions.ts'

export type { FailureMeaning } from './meaning.ts'

export type BreakerOptions = {
  /** Also the name of its document. */
  readonly name: string
  /** Where the fleet agrees; without one the breaker is this process's own. */
  readonly store?: BreakerStore | undefined
  readonly settings?: Partial<BreakerSettings>
  /**
   * Everything counts as a failure unless this says otherwise. A call that its caller aborted never counts; one whose
   * caller's time was over (`AbortSignal.timeout`) always does.
   */
  readonly classify?: (error: unknown) => FailureMeaning
  /** Hears of each transition once, from the instance that made it; `local`: of one that this instance made alone. */
  readonly onEvent?: (event: BreakerEvent & { readonly breaker: string; readonly local: boolean }) => unknown
  readonly onTrouble?: (trouble: Trouble, breaker: string, cause: unknown) => unknown
  readonly clock?: Clock
  /** In [0, 1). */
  readonly random?: () => number
}

/** Leave to make one call. Its end must be passed to `settle`; a probe that is not settled ends with its lease. */
export type Admission = {
  readonly generation: number
  /** Set for the one call that tests whether the provider is well again. */
  readonly probe: Probe | undefined
}

type CallOptions = {
  /** How long the call may take should it be the probe, in ms; it is aborted then. */
  readonly leaseMs?: number | undefined
}

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
  readonly #prober: Prober
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

  /** @throws RangeError when its name or a setting cannot be */
  constructor(options: BreakerOptions) {
    const { name, store, onEvent, onTrouble } = options
    this.name = requireName(name)
    this.settings = breakerSettings(options.settings)
    this.#clock = requireClock(options.clock ?? systemClock)
    this.#random = soundRandom(options.random ?? Math.random)
    this.#classify = options.classify ?? (() => 'failure')
    this.#fleet = new FleetRecord({
      name,
      store,
      settings: this.settings,
      clock: this.#clock,
      random: this.#random,
      onRecord: () => this.#followRecord(),
      onEvent: (event, local) => callHarmlessly(() => onEvent?.({ ...event, breaker: name, local })),
      onTrouble: (trouble, cause) => callHarmlessly(() => onTrouble?.(trouble, name, cause)),
    })
    this.#results = new Results(this.#fleet, this.settings, this.#clock)
    const [fleet, settings, clock, random] = [this.#fleet, this.settings, this.#clock, this.#random]
    this.#prober = new Prober({ breaker: name, fleet, settings, clock, random })
    this.#followRecord()
  }

  /** Begins the first look at the fleet's state; call it when the process starts. */
  warmUp(): void {
    void this.#fleet.refresh()
  }

  /** As far as this instance knows, without a look at the store. */
  get state(): BreakerState {
    const decision = decideAdmission(this.#fleet.record, this.#fleet.nowMs, this.settings)
    if (decision.kind === 'admit') return this.#results.isShielded ? 'open' : 'closed'
    return decision.kind === 'reject' && decision.reason === 'forced' ? 'open' : this.#fleet.record.state
  }

  /**
   * Makes the call if it may be made, and learns from how it ends.
   * @param call its signal aborts with the caller's, and for a probe when its lease ends
   * @throws BreakerOpenError when it may not be made; what the call throws; the signal's reason, also while it waits for
   * leave
   */
  async execute<T>(
    call: (signal: AbortSignal) => PromiseLike<T> | T,
    signal?: AbortSignal,
    options?: CallOptions,
  ): Promise<T> {
    if (signal?.aborted) throw signal.reason
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#shutUntilMs) throw this.#makeShutError(nowMs)
    const admission = nowMs < this.#doorOpenUntilMs ? this.#admission : await this.#admitUnlessAborted(signal, options)
    if (admission.probe !== undefined) return this.#probe(call, signal ?? NEVER, admission.probe)
    const startedAtMs = this.settings.slowCallMs === undefined ? 0 : this.#clock.monotonicMs()
    let result: T
    try {
      result = await call(signal ?? NEVER)
    } catch (error) {
      await this.settle(admission, this.#classifyError(error, signal))
      throw error
    }
    const { generation } = admission
    const slow = this.#isSlow(startedAtMs)
    const publishing = slow ? this.#countFailure(generation) : this.#results.countSuccess(generation)
    // The result is there: whoever has no time left need not wait until the fleet knows how it ended.
    if (publishing !== undefined) await unlessAborted(publishing, signal).catch(() => undefined)
    return result
  }

  /** Asks for leave to make one call. @throws BreakerOpenError */
  async admit(options?: CallOptions): Promise<Admission> {
    const nowMs = this.#clock.monotonicMs()
    if (nowMs < this.#shutUntilMs) throw this.#makeShutError(nowMs)
    return nowMs < this.#doorOpenUntilMs ? this.#admission : this.#admitAfterLook(options)
  }

  /** Tells how an admitted call ended. Never throws: what the store makes of it is not the caller's business. */
  async settle(admission: Admission, ended: ProbeResult): Promise<void> {
    const result = readResult(ended, this.settings)
    if (admission.probe !== undefined) await this.#prober.settle(admission.probe, result)
    else if (result === 'success') await this.#results.countSuccess(admission.generation)
    else if (result === 'failure') await this.#countFailure(admission.generation)
    else if (result !== 'ignored') await this.#suspend(admission, result)
  }

  async #admitUnlessAborted(signal: AbortSignal | undefined, options: CallOptions | undefined): Promise<Admission> {
    const admitting = this.#admitAfterLook(options)
    try {
      return await unlessAborted(admitting, signal)
    } catch (error) {
      // A probe that nobody makes any more is given back, should its lease have been taken meanwhile.
      if (signal?.aborted)
        admitting.then(
          (admission) => admission.probe && this.settle(admission, 'ignored'),
          () => undefined,
        )
      throw error
    }
  }

  async #admitAfterLook(options: CallOptions | undefined): Promise<Admission> {
    const looking = this.#fleet.refresh()
    if (looking !== undefined) await looking
    const publishing = this.#results.publishAgain()
    if (publishing !== undefined) await publishing
    const claimed = this.#prober.takeUnanswered()
    if (claimed !== undefined) return this.#admissionOf(claimed)
    const admission = this.#admitNow()
    if (admission !== 'probe') return admission
    const probe = await this.#prober.claim(options?.leaseMs)
    if (probe !== undefined) return this.#admissionOf(probe)
    const again = this.#admitNow()
    if (again === 'probe') throw this.#makeOpenError('half_open', this.#fleet.record.reason ?? 'failures', undefined)
    return again
  }

  #admissionOf(probe: Probe): Admission {
    return { generation: this.#fleet.record.generation, probe }
  }

  /** @throws BreakerOpenError */
  #admitNow(): Admission | 'probe' {
    const { record, nowMs } = this.#fleet
    const decision = decideAdmission(record, nowMs, this.settings)
    switch (decision.kind) {
      case 'admit':
        if (this.#results.isShielded) throw this.#makeOpenError('open', 'failures', this.#results.shieldEndsInMs)
        if (decision.share < 1 && this.#random() >= decision.share)
          throw this.#makeOpenError('closed', 'ramp', undefined)
        this.#openDoor(decision.share === 1)
        return this.#admission
      case 'probe':
        // Nobody waits in line behind a probe.
        if (this.#prober.isClaiming) throw this.#makeOpenError('half_open', record.reason ?? 'failures', undefined)
        return 'probe'
      case 'reject': {
        const knownEnd = record.state === 'half_open' && decision.reason !== 'forced' ? null : decision.untilMs
        if (record.state === 'open') this.#shutTheDoor(decision.reason, decision.untilMs)
        throw this.#makeOpenError(record.state, decision.reason, knownEnd === null ? undefined : knownEnd - nowMs)
      }
    }
  }

  #shutTheDoor(reason: OpenReason, untilMs: number | null): void {
    const endsAtMs = untilMs === null ? undefined : untilMs - this.#fleet.offsetMs
    this.#shut = { reason, endsAtMs }
    this.#shutUntilMs = Math.min(this.#fleet.freshUntilMs, endsAtMs ?? Number.POSITIVE_INFINITY)
  }

  #makeShutError(nowMs: number): BreakerOpenError {
    const { reason, endsAtMs } = this.#shut
    return this.#makeOpenError('open', reason, endsAtMs === undefined ? undefined : endsAtMs - nowMs)
  }

  /** @param endsInMs undefined: nobody knows, and it is worth asking again when the state is read anew */
  #makeOpenError(
    state: BreakerState,
    reason: BreakerOpenError['reason'],
    endsInMs: number | undefined,
  ): BreakerOpenError {
    const unknownMs = reason === 'forced' ? this.settings.recoveryMs : this.settings.cacheTtlMs
    return BreakerOpenError.of({ breaker: this.name, state, reason, retryAfterMs: Math.max(1, endsInMs ?? unknownMs) })
  }

  async #probe<T>(call: (signal: AbortSignal) => PromiseLike<T> | T, signal: AbortSignal, probe: Probe): Promise<T> {
    const startedAtMs = this.#clock.monotonicMs()
    const end = await this.#prober.call(call, signal, probe)
    if ('result' in end) {
      await this.#prober.settle(probe, this.#isSlow(startedAtMs) ? 'failure' : 'success')
      return end.result
    }
    await this.#prober.settle(probe, end.isOverdue ? 'failure' : this.#classifyError(end.error, signal))
    throw end.error
  }

  #isSlow(startedAtMs: number): boolean {
    const { slowCallMs } = this.settings
    return slowCallMs !== undefined && this.#clock.monotonicMs() - startedAtMs > slowCallMs
  }

  #classifyError(error: unknown, signal: AbortSignal | undefined): FailureMeaning {
    if (signal?.aborted) return isTimeUp(signal) ? 'failure' : 'ignored'
    try {
      return readMeaning(this.#classify(error), this.settings)
    } catch {
      return 'failure'
    }
  }

  #countFailure(generation: number): Promise<void> | undefined {
    const publishing = this.#results.countFailure(generation)
    if (this.#results.isShielded) this.#openDoor(false)
    return publishing
  }

  async #suspend(admission: Admission, suspension: Suspension): Promise<void> {
    const change = { generation: admission.generation, id: randomUUID(), suspension }
    await this.#fleet.change(change.id, (record, nowMs) => suspend(record, change, nowMs, this.settings), SUSPENDING)
  }

  /** Goes by what the fleet's record says now. */
  #followRecord(): void {
    const { record, nowMs } = this.#fleet
    if (record.generation !== this.#admission.generation)
      this.#admission = { generation: record.generation, probe: undefined }
    this.#results.followRecord()
    this.#shutUntilMs = Number.NEGATIVE_INFINITY
    const decision = decideAdmission(record, nowMs, this.settings)
    this.#openDoor(decision.kind === 'admit' && decision.share === 1)
  }

  /** While it is open every call is admitted without a further look. */
  #openDoor(open: boolean): void {
    this.#doorOpenUntilMs = open && !this.#results.isShielded ? this.#fleet.freshUntilMs : Number.NEGATIVE_INFINITY
  }
}

/** Somebody else's numbers: what is none in [0, 1) would make times that are none. */
function soundRandom(random: () => number): () => number {
  return () => {
    const value = random()
    return value >= 0 && value < 1 ? value : 0.5
  }
}
