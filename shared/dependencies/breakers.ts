import { CircuitBreaker } from '../breaker/breaker.ts'
import type { BreakerOptions } from '../breaker/breaker.ts'
import { firestoreBreakerStore } from '../breaker/firestore-store.ts'
import type { Config, SHARED_BREAKERS } from '../config.ts'
import { meaningOf } from '../providers/provider-error.ts'
import { logBreakerEvent, logBreakerTrouble } from '../telemetry/breaker-events.ts'
import type { FirestoreAccess } from '../store/firestore.ts'
import { failureOfStorage } from '../store/storage-failure.ts'

export type SharedBreakers = Record<(typeof SHARED_BREAKERS)[number], CircuitBreaker>

/** The breakers that the whole fleet shares; one that is never used never looks at the store. */
export function sharedBreakers(config: Config, firestore: FirestoreAccess): SharedBreakers {
  const store = firestoreBreakerStore(firestore.call)
  const make = (name: keyof SharedBreakers, classify: NonNullable<BreakerOptions['classify']>) =>
    new CircuitBreaker({
      name,
      store,
      settings: config.breakers[name],
      classify,
      onEvent: logBreakerEvent,
      onTrouble: logBreakerTrouble,
    })
  return {
    assemblyai: make('assemblyai', meaningOf),
    gemini: make('gemini', meaningOf),
    elevenlabs: make('elevenlabs', meaningOf),
    auphonic: make('auphonic', meaningOf),
    gcs: make('gcs', failureOfStorage),
  }
}
