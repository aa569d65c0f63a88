import { AsyncLocalStorage } from 'node:async_hooks'

/** What is known, anywhere below a request, about the request. */
export type Scope = {
  /** Fields that every log line about the request carries. */
  readonly logFields: Record<string, unknown>
  readonly parts: Parts
  /** Ends the request early with this as the reason. */
  readonly abort: (reason: unknown) => void
}

const scopes = new AsyncLocalStorage<Scope>()

export function currentScope(): Scope | undefined {
  return scopes.getStore()
}

export function runInScope<T>(scope: Scope, work: () => T): T {
  return scopes.run(scope, work)
}

/** Where a request's time goes, as `Server-Timing` names it. */
export type PartName = 'body' | 'auth' | 'firestore' | 'storage' | 'tasks' | 'provider'

/** Wall time per part of a request, in ms: while several calls of one part run at once, it counts once. */
export class Parts {
  readonly #clocks = new Map<PartName, { running: number; sinceMs: number; totalMs: number }>()

  begin(name: PartName): void {
    const clock = this.#clocks.get(name)
    if (clock === undefined) this.#clocks.set(name, { running: 1, sinceMs: performance.now(), totalMs: 0 })
    else if (clock.running++ === 0) clock.sinceMs = performance.now()
  }

  end(name: PartName): void {
    const clock = this.#clocks.get(name)
    if (clock !== undefined && --clock.running === 0) clock.totalMs += performance.now() - clock.sinceMs
  }

  /** So far, parts that still run included. */
  durationsMs(): [PartName, number][] {
    const nowMs = performance.now()
    return [...this.#clocks].map(([name, { running, sinceMs, totalMs }]) => [
      name,
      totalMs + (running > 0 ? nowMs - sinceMs : 0),
    ])
  }
}

/** Counts the time of `work` towards a part of the current request, if there is one. */
export async function timePart<T>(name: PartName, work: () => Promise<T>): Promise<T> {
  const parts = currentScope()?.parts
  if (parts === undefined) return work()
  parts.begin(name)
  try {
    return await work()
  } finally {
    parts.end(name)
  }
}
