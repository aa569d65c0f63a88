import { equalJitterMs } from '../resilience/backoff.ts'

/** How often a compare-and-set is tried while others are faster. */
export const CAS_ATTEMPTS_MAX = 12
const BACKOFF = { baseMs: 10, capMs: 400 }

/** Waits before a try, counted from 0; the first begins at once. */
export async function pauseBeforeTry(attempt: number): Promise<void> {
  if (attempt === 0) return
  await new Promise((resolve) => setTimeout(resolve, equalJitterMs(BACKOFF, attempt, Math.random)))
}
