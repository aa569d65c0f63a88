import { Faults } from '../../infra/local/faults.ts'
import { firestoreService } from '../../infra/local/firestore/service.ts'
import { breakerFleetContract } from '../contracts/breaker-fleet.ts'

breakerFleetContract('embedded', 20, () => firestoreService(new Faults()).start())
