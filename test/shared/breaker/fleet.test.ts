import { Faults } from '../../../infra/local/faults.ts'
import { firestoreService } from '../../../infra/local/firestore/service.ts'
import { breakerFleetContract } from '../../contracts/breaker-fleet.ts'

/** Each process takes a second to start; those of twenty are started where the other long tests are. */
breakerFleetContract('embedded', 8, () => firestoreService(new Faults()).start())
