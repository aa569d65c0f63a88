import type { IDefaultPolicyContext, IFailureEvent, IPolicy, ISuccessEvent } from 'cockatiel'

import type { CircuitBreaker } from './breaker.ts'
import { BreakerOpenError } from './open-error.ts'

/**
 * The breaker as a policy of cockatiel, to be put into its `wrap`: fallback around retry around breaker around timeout
 * around bulkhead. A retry around it must not handle BreakerOpenError, which says itself when to come back. Needs
 * nothing of cockatiel at run time.
 */
export function asCockatielPolicy(breaker: CircuitBreaker): IPolicy {
  const [successes, failures] = [new Listeners<ISuccessEvent>(), new Listeners<IFailureEvent>()]
  return {
    // A type without a value, by cockatiel's own declaration.
    _altReturn: undefined as never,
    onSuccess: successes.listen,
    onFailure: failures.listen,
    async execute<T>(call: (context: IDefaultPolicyContext) => PromiseLike<T> | T, signal?: AbortSignal): Promise<T> {
      const startedAtMs = performance.now()
      try {
        const result = await breaker.execute((callSignal) => call({ signal: callSignal }), signal)
        successes.tell({ duration: performance.now() - startedAtMs })
        return result
      } catch (error) {
        const handled = !(error instanceof BreakerOpenError)
        failures.tell({ duration: performance.now() - startedAtMs, handled, reason: { error } })
        throw error
      }
    },
  }
}

class Listeners<T> {
  readonly #heard = new Set<(event: T) => void>()

  readonly listen = (listener: (event: T) => void): { dispose: () => void } => {
    this.#heard.add(listener)
    return { dispose: () => void this.#heard.delete(listener) }
  }

  tell(event: T): void {
    for (const listener of this.#heard)
      try {
        listener(event)
      } catch {
        // A listener's failure is not the call's.
      }
  }
}
