/**
 * A rate with bursts by the Generic Cell Rate Algorithm (ITU-T I.371): one number, the time at which all that was taken
 * would have arrived at an even pace. All times in ms of one clock.
 */
export type RatePolicy = { readonly requests: number; readonly windowMs: number; readonly burst: number }

const MINUTE_MS = 60_000
/** So much of a minute's calls may come at once. */
const BURST_SHARE = 1 / 6

export function perMinute(requests: number): RatePolicy {
  return { requests, windowMs: MINUTE_MS, burst: Math.max(1, Math.ceil(requests * BURST_SHARE)) }
}

function intervalMs({ requests, windowMs }: RatePolicy): number {
  return windowMs / requests
}

/** How many calls may be made now. */
export function available(arrivalMs: number, policy: RatePolicy, nowMs: number): number {
  const interval = intervalMs(policy)
  const aheadMs = Math.max(0, arrivalMs - nowMs)
  // Times are sums of fractions: what is a millionth of a call short counts as there.
  return Math.max(0, Math.floor(policy.burst - aheadMs / interval + 1e-6))
}

/** Takes as many of the calls asked for as there are. */
export function take(
  arrivalMs: number,
  policy: RatePolicy,
  nowMs: number,
  wanted: number,
): { arrivalMs: number; taken: number } {
  const taken = Math.min(wanted, available(arrivalMs, policy, nowMs))
  return { arrivalMs: Math.max(arrivalMs, nowMs) + taken * intervalMs(policy), taken }
}

/** Calls that were taken and not made. */
export function giveBack(arrivalMs: number, policy: RatePolicy, calls: number): number {
  return arrivalMs - calls * intervalMs(policy)
}

/** How long until so many calls may be made. */
export function waitMs(arrivalMs: number, policy: RatePolicy, nowMs: number, calls: number): number {
  const interval = intervalMs(policy)
  return Math.max(0, arrivalMs - nowMs - (policy.burst - Math.min(calls, policy.burst)) * interval)
}
