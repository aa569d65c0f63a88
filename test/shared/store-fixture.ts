import { Faults } from '../../infra/local/faults.ts'
import { firestoreService } from '../../infra/local/firestore/service.ts'
import { CircuitBreaker } from '../../shared/breaker/breaker.ts'
import { failureOfFirestore, firestoreAccess } from '../../shared/store/firestore.ts'
import type { FirestoreAccess } from '../../shared/store/firestore.ts'
import { testConfig } from './test-config.ts'

/** An empty Firestore of this test file's own, and Google's client for it. */
export async function startStore(): Promise<{ access: FirestoreAccess; stop: () => void }> {
  const service = firestoreService(new Faults())
  await service.start()
  process.env['FIRESTORE_EMULATOR_HOST'] = service.address
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  return {
    access: firestoreAccess(testConfig(), new CircuitBreaker({ name: 'firestore', classify: failureOfFirestore })),
    stop: () => service.stop(),
  }
}
