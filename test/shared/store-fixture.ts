import { Faults } from '../../infra/local/faults.ts'
import { firestoreParts, firestoreService } from '../../infra/local/firestore/service.ts'
import type { Gate } from '../../infra/local/grpc-service.ts'
import { CircuitBreaker } from '../../shared/breaker/breaker.ts'
import { failureOfFirestore, firestoreAccess } from '../../shared/store/firestore.ts'
import type { FirestoreAccess } from '../../shared/store/firestore.ts'
import { StoreClock } from '../../shared/store/store-clock.ts'
import { testConfig } from './test-config.ts'

/** How long a call may take on a machine that does much else; deadlines have tests of their own. */
export const PATIENCE_MS = 100_000

/**
 * An empty Firestore of this test file's own, and Google's client for it.
 * @param gate refuses what the account that asks may not do; without one everything is allowed
 * @param now its clock; this machine's unless given
 */
export async function startStore(
  gate?: Gate,
  now?: () => number,
): Promise<{
  access: FirestoreAccess
  /** A way of its own, of an instance whose wall clock is off by so much. */
  open: (wallOffMs: number, onOff?: (aheadMs: number) => void) => FirestoreAccess
  stop: () => void
}> {
  const service = firestoreService(new Faults(), firestoreParts(undefined, now), { gate })
  await service.start()
  process.env['FIRESTORE_EMULATOR_HOST'] = service.address
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  const openBy = (clock?: StoreClock) =>
    firestoreAccess(testConfig(), new CircuitBreaker({ name: 'firestore', classify: failureOfFirestore }), {
      callTimeoutMs: PATIENCE_MS,
      ...(clock && { clock }),
    })
  return {
    access: openBy(),
    open(wallOffMs, onOff) {
      const moment = () => ({ monotonicMs: performance.now(), wallMs: Date.now() + wallOffMs })
      return openBy(new StoreClock({ moment, ...(onOff && { onOff }) }))
    },
    stop: () => service.stop(),
  }
}
