import { Faults } from '../../../infra/local/faults.ts'
import { firestoreService } from '../../../infra/local/firestore/service.ts'
import { breakerFleetContract } from '../../contracts/breaker-fleet.ts'

breakerFleetContract('embedded', () => firestoreService(new Faults()).start())
