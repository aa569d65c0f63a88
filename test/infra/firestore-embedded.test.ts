import { Faults } from '../../infra/local/faults.ts'
import { firestoreService } from '../../infra/local/firestore/service.ts'
import { firestoreContract } from '../contracts/firestore-contract.ts'

firestoreContract('embedded', () => firestoreService(new Faults()).start())
