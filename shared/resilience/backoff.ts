export type BackoffPolicy = { baseMs: number; capMs: number }

/**
 * Exponential backoff with full jitter: uniform in [0, min(cap, base * 2^n)), n counted from 0. Full jitter spreads a
 * crowd of callers best (AWS Architecture Blog, "Exponential Backoff And Jitter", 2015).
 * @param random in [0, 1), passed in so that tests can seed it
 */
export function fullJitterMs(policy: BackoffPolicy, failures: number, random: () => number): number {
  return random() * ceilingMs(policy, failures)
}

/** Half of the ceiling for certain, the other half at random: for waits that must not collapse to nothing. */
export function equalJitterMs(policy: BackoffPolicy, failures: number, random: () => number): number {
  const ceiling = ceilingMs(policy, failures)
  return ceiling / 2 + (random() * ceiling) / 2
}

/** How many waits with equal jitter fit into a time at most: each takes half of its ceiling at least. */
export function waitsAtMost(policy: BackoffPolicy, totalMs: number): number {
  let [waits, atMs] = [0, 0]
  while (atMs < totalMs) atMs += ceilingMs(policy, waits++) / 2
  return waits
}

function ceilingMs({ baseMs, capMs }: BackoffPolicy, failures: number): number {
  return Math.min(capMs, baseMs * 2 ** Math.min(failures, 30))
}
