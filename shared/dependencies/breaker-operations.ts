import { BreakerControl } from '../breaker/control.ts'
import { firestoreBreakerStore } from '../breaker/firestore-store.ts'
import { once } from '../resilience/once.ts'
import { logBreakerEvent } from '../operations/breaker-events.ts'
import { edgeDependencies } from './edge.ts'
import type { EdgeDependencies } from './edge.ts'

/** What operators of breakers work with. Built once for this instance. */
export const breakerOperations = once((): EdgeDependencies & { control: BreakerControl } => {
  const edge = edgeDependencies()
  return { ...edge, control: new BreakerControl(firestoreBreakerStore(edge.firestore.call), logBreakerEvent) }
})
