import type { BreakerSettings } from './settings.ts'

/** What ended within one slice of the window that begins at `atMs`. */
export type Bucket = { atMs: number; failures: number; successes: number }
export type Totals = { failures: number; successes: number }

/** A window is counted in this many slices; one counts for as long as any of it is inside the window. */
const SLICES_PER_WINDOW = 60

/** How far back results are counted, and in slices of what length. */
export type Span = { readonly windowMs: number; readonly sliceMs: number }

export function spanOf(windowMs: number): Span {
  return { windowMs, sliceMs: windowMs / SLICES_PER_WINDOW }
}

/** Counts one result, in place: this is on the path of every call. */
export function count(buckets: Bucket[], result: keyof Totals, nowMs: number, { windowMs, sliceMs }: Span): void {
  const last = buckets[buckets.length - 1]
  if (last !== undefined && nowMs < last.atMs + sliceMs && nowMs >= last.atMs) last[result]++
  else {
    while (buckets[0] !== undefined && !isWithinWindow(buckets[0], nowMs, windowMs)) buckets.shift()
    buckets.push({ atMs: nowMs, failures: 0, successes: 0, [result]: 1 })
  }
}

/** Several countings as one, in order of time, without what has left the window; slices that lie close become one. */
export function mergeCounts(countings: readonly (readonly Bucket[])[], nowMs: number, windowMs: number): Bucket[] {
  const slices: Bucket[] = []
  const ordered = countings
    .flat()
    .filter((bucket) => isWithinWindow(bucket, nowMs, windowMs))
    .toSorted((a, b) => a.atMs - b.atMs)
  for (const bucket of ordered) {
    const last = slices[slices.length - 1]
    if (last !== undefined && bucket.atMs < last.atMs + windowMs / SLICES_PER_WINDOW) {
      last.failures += bucket.failures
      last.successes += bucket.successes
    } else slices.push({ ...bucket })
  }
  return slices
}

export function totalsOf(buckets: readonly Bucket[]): Totals {
  const totals = { failures: 0, successes: 0 }
  for (const { failures, successes } of buckets) {
    totals.failures += failures
    totals.successes += successes
  }
  return totals
}

/** The same counts on another clock. */
export function shiftCounts(buckets: readonly Bucket[], byMs: number): Bucket[] {
  return buckets.map((bucket) => ({ ...bucket, atMs: bucket.atMs + byMs }))
}

/** When the first failure within the window was; Infinity when there is none. */
export function suspectSinceMs(buckets: readonly Bucket[]): number {
  return buckets.find(({ failures }) => failures > 0)?.atMs ?? Number.POSITIVE_INFINITY
}

/** When the last failure leaves the window; -Infinity when there is none. */
export function suspectUntilMs(buckets: readonly Bucket[], windowMs: number): number {
  const last = buckets.findLast(({ failures }) => failures > 0)
  return last === undefined ? Number.NEGATIVE_INFINITY : last.atMs + windowMs + windowMs / SLICES_PER_WINDOW
}

/** Whether these results are reason to open. */
export function isReasonToOpen({ failures, successes }: Totals, settings: BreakerSettings): boolean {
  return failures >= settings.failureThreshold && failures >= settings.minFailureRate * (failures + successes)
}

function isWithinWindow({ atMs }: Bucket, nowMs: number, windowMs: number): boolean {
  return atMs + windowMs + windowMs / SLICES_PER_WINDOW > nowMs
}
