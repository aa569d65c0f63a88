import { CircuitBreaker } from '../breaker/breaker.ts'
import { firestoreBreakerStore } from '../breaker/firestore-store.ts'
import { meaningOf } from '../providers/provider-error.ts'
import { logBreakerEvent, logBreakerTrouble } from '../operations/breaker-events.ts'
import type { FirestoreAccess } from '../store/firestore.ts'
import { failureOfStorage } from '../store/storage-failure.ts'
import { SHARED_BREAKERS } from './config.ts'
import type { Configuration, SharedBreakerName } from './config.ts'

export type SharedBreakers = Readonly<Record<SharedBreakerName, CircuitBreaker>>

/** The breakers that the whole fleet shares; one that is never used never looks at the store. */
export function sharedBreakers(config: Configuration, firestore: FirestoreAccess): SharedBreakers {
  const store = firestoreBreakerStore(firestore.call)
  const make = (name: SharedBreakerName) =>
    new CircuitBreaker({
      name,
      store,
      settings: config.breakers[name] ?? {},
      classify: name === 'gcs' ? failureOfStorage : meaningOf,
      onEvent: logBreakerEvent,
      onTrouble: logBreakerTrouble,
    })
  return Object.fromEntries(SHARED_BREAKERS.map((name) => [name, make(name)])) as SharedBreakers
}
