import { CircuitBreaker } from '../breaker/breaker.ts'
import type { Config } from '../config.ts'
import type { ChainDependencies } from '../http/exchange.ts'
import type { TokenVerifier } from '../http/identity.ts'
import { failureOfFirestore, firestoreAccess } from '../store/firestore.ts'
import type { FirestoreAccess } from '../store/firestore.ts'
import { logBreakerEvent } from '../operations/breaker-events.ts'
import { idempotencyRecords } from '../store/idempotency.ts'
import { KeyBudget } from '../quotas/key-budget.ts'
import { RateLimiter } from '../quotas/rate-limiter.ts'
import { sharedRates } from '../store/rates.ts'
import { StoreClock } from '../store/store-clock.ts'
import { errorFields, log } from '../telemetry/log.ts'
import { once } from '../resilience/once.ts'
import { processConfiguration } from './config.ts'
import type { Configuration } from './config.ts'

/** What every function works with: what the edge needs, and the one way to the store. */
export type EdgeDependencies = ChainDependencies & { config: Configuration; firestore: FirestoreAccess }

/**
 * Built once for this instance. Nothing heavy happens here or in what is built on it: Google's clients and the
 * verifier's library are imported at their first use.
 */
export const edgeDependencies = once((): EdgeDependencies => {
  // The entry has made sure of the secrets that this function needs.
  const config = processConfiguration()
  const firestore = firestoreAccess(
    config,
    new CircuitBreaker({
      name: 'firestore',
      settings: config.breakers.firestore,
      classify: failureOfFirestore,
      onEvent: logBreakerEvent,
    }),
    { clock: new StoreClock({ onOff: logClock }) },
  )
  const { now } = firestore.clock
  const idempotency = idempotencyRecords(firestore, now)
  const shared = sharedRates(firestore)
  const rates = new RateLimiter(shared, () => performance.now(), logRateTrouble)
  const keys = new KeyBudget(shared, () => performance.now())
  return { config, now, tokens: lazyVerifier(config, firestore), firestore, idempotency, rates, keys }
})

/** Calls are let through all the same. */
function logRateTrouble(error: unknown): void {
  log('WARNING', 'rate.counted_alone', { error: errorFields(error) })
}

/** Told once: nothing goes by this machine's clock but the times of its lines. */
function logClock(aheadMs: number): void {
  log('WARNING', 'clock.off', { aheadSeconds: Math.round(aheadMs / 1000) })
}

/** A function that asks nobody who they are does not load what checks tokens. */
function lazyVerifier(config: Config, time: FirestoreAccess): TokenVerifier {
  const load = once(async () => (await import('../http/identity.ts')).tokenVerifier(config, time))
  return {
    preload: (signer) =>
      void load()
        .then((verifier) => verifier.preload(signer))
        .catch(() => undefined),
    verify: async (token, functionUrl) => (await load()).verify(token, functionUrl),
  }
}
