import { randomUUID } from 'node:crypto'

import type { Clock } from './clock.ts'
import type { FleetRecord } from './fleet-record.ts'
import { requireLease } from './settings.ts'
import type { BreakerSettings } from './settings.ts'
import { acquireProbe, renewProbe, settleProbe } from './transitions.ts'
import type { ProbeResult } from './transitions.ts'

/** The one call that tests whether the provider is well again: who makes it, and how long it may take in all. */
export type Probe = {
  readonly holder: string
  readonly leaseMs: number
  /** More than `leaseMs`: it renews its lease. */
  readonly mostMs: number
}

/** Only the prober waits for its lease: for so long that a slow store does not mean several probes. */
const CLAIMING = { alone: 'once-lost', insist: true, waitMs: 3000 } as const
const PROBING = { alone: 'always', insist: true } as const
/** A lease is renewed when so much of it is over: a renewal that fails can be repeated before it ends. */
const RENEW_SHARE = 0.4

type ProberOptions = {
  readonly breaker: string
  readonly fleet: FleetRecord
  readonly settings: BreakerSettings
  readonly clock: Clock
  readonly random: () => number
}

/** This instance's part in testing the provider: at most one call of the fleet at a time, under a lease. */
export class Prober {
  readonly #options: ProberOptions
  /** A claim of ours is on its way: nobody waits in line behind it. */
  isClaiming = false
  /** A claim that ended without an answer. It may have landed all the same, and is then used instead of another. */
  #unanswered: Probe | undefined

  constructor(options: ProberOptions) {
    this.#options = options
  }

  /**
   * Takes the lease.
   * @param mostMs how long the call may take in all
   * @returns undefined when it is not to be had: somebody else has it, or the store has just failed
   */
  async claim(mostMs: number | undefined): Promise<Probe | undefined> {
    const { fleet, settings } = this.#options
    const given = mostMs === undefined ? undefined : requireLease(mostMs)
    const leaseMs = given ?? Math.min(settings.probeLeaseMs, settings.probeMaxMs)
    const probe = { holder: randomUUID(), leaseMs, mostMs: given ?? settings.probeMaxMs }
    this.isClaiming = true
    try {
      const claim = { id: probe.holder, leaseMs }
      const change = await fleet.change(
        claim.id,
        (record, nowMs) => acquireProbe(record, claim, nowMs, settings),
        CLAIMING,
      )
      if (change === 'landed' || change === 'local') return probe
      if (change === 'unreachable') this.#unanswered = probe
      return undefined
    } finally {
      this.isClaiming = false
    }
  }

  /** A lease of ours that nobody has been using, because the answer to its claim was lost. */
  takeUnanswered(): Probe | undefined {
    const { record, nowMs } = this.#options.fleet
    const probe = this.#unanswered
    if (probe === undefined || record.lease?.holder !== probe.holder || nowMs >= record.lease.untilMs) return undefined
    this.#unanswered = undefined
    return probe
  }

  /**
   * Makes the call.
   * @param call its signal aborts with the caller's, or with ProbeOverdue when its time is over
   * @returns what became of it
   */
  async call<T>(
    call: (signal: AbortSignal) => PromiseLike<T> | T,
    signal: AbortSignal,
    probe: Probe,
  ): Promise<{ result: T } | { error: unknown; isOverdue: boolean }> {
    const { breaker, clock } = this.#options
    const { leaseMs, mostMs } = probe
    const overdue = new AbortController()
    const renewal =
      mostMs > leaseMs ? renewEvery(leaseMs * RENEW_SHARE, clock, async () => this.#renew(probe)) : undefined
    const callOffEnd = clock.after(mostMs, () => {
      // A call may not listen to its signal: the next probe does not wait for it.
      renewal?.end()
      overdue.abort(new ProbeOverdue(breaker, mostMs))
    })
    try {
      return { result: await call(AbortSignal.any([signal, overdue.signal])) }
    } catch (error) {
      return { error, isOverdue: overdue.signal.aborted }
    } finally {
      callOffEnd()
      renewal?.end()
    }
  }

  /** Tells how it ended. Never throws. */
  async settle({ holder }: Pick<Probe, 'holder'>, result: ProbeResult): Promise<void> {
    const { fleet, settings, random } = this.#options
    const change = { id: randomUUID(), holder, result }
    await fleet.change(change.id, (record, nowMs) => settleProbe(record, change, nowMs, { settings, random }), PROBING)
  }

  async #renew({ holder, leaseMs }: Probe): Promise<void> {
    const change = { id: randomUUID(), holder, leaseMs }
    await this.#options.fleet.change(change.id, (record, nowMs) => renewProbe(record, change, nowMs), PROBING)
  }
}

function renewEvery(periodMs: number, clock: Clock, renew: () => Promise<unknown>): { end: () => void } {
  let [isEnded, callOff] = [false, () => undefined as void]
  const next = () => {
    if (!isEnded) callOff = clock.after(periodMs, () => void renew().then(next))
  }
  next()
  const end = () => {
    isEnded = true
    callOff()
  }
  return { end }
}

/** The reason a probe is aborted with. */
class ProbeOverdue extends Error {
  override readonly name = 'ProbeOverdue'

  constructor(breaker: string, mostMs: number) {
    super(`the probe of '${breaker}' took longer than ${mostMs} ms`)
  }
}
