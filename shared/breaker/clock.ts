/** Time as the breaker sees it; tests bring their own. */
export type Clock = {
  /** Milliseconds that never go back and never jump: for durations. */
  readonly monotonicMs: () => number
  /** Milliseconds since 1970 as this machine believes; used only until the store has said what time it is. */
  readonly wallMs: () => number
  /** Calls back once; @returns what calls it off */
  readonly after: (delayMs: number, callback: () => void) => () => void
}

export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    return () => clearTimeout(timer)
  },
}

/** @throws RangeError when it tells no time */
export function requireClock(clock: Clock): Clock {
  for (const name of ['monotonicMs', 'wallMs'] as const)
    if (!Number.isFinite(clock[name]())) throw new RangeError(`clock.${name}: expected a number of milliseconds`)
  return clock
}

/** Waits for something of which only the end matters, not longer than `waitMs`. @returns whether it ended in time */
export async function endsWithin(clock: Clock, waitMs: number, work: Promise<unknown>): Promise<boolean> {
  let callOff: (() => void) | undefined
  const late = new Promise<false>((resolve) => {
    callOff = clock.after(Math.max(0, waitMs), () => resolve(false))
  })
  const ended = work.then(
    () => true as const,
    () => true as const,
  )
  const inTime = await Promise.race([ended, late])
  callOff?.()
  return inTime
}

/** The same, for work whose result matters. @throws what the work throws, or StoreSilent when it took too long */
export async function resultWithin<T>(clock: Clock, waitMs: number, work: Promise<T>): Promise<T> {
  work.catch(() => undefined)
  if (!(await endsWithin(clock, waitMs, work))) throw new StoreSilent(`no answer within ${waitMs} ms`)
  return work
}

/** The store did not answer in the time it was given; what was asked of it may yet happen. */
class StoreSilent extends Error {
  override readonly name = 'StoreSilent'
}
