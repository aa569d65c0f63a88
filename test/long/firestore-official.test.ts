import { describe, expect, test } from 'vitest'

import { findOfficialFirestore, startOfficialFirestore } from '../../infra/local/firestore/official.ts'
import { breakerFleetContract } from '../contracts/breaker-fleet.ts'
import { firestoreContract } from '../contracts/firestore-contract.ts'

/** Google's own emulator, wherever the gcloud component and Java are found. */
const found = await findOfficialFirestore()
if ('jar' in found) {
  firestoreContract("Google's emulator", startOfficialFirestore, { tornReadsMax: 2 })
  breakerFleetContract("Google's emulator", 20, startOfficialFirestore)
} else
  describe("Firestore: Google's emulator", () => {
    // oxlint-disable-next-line vitest/no-disabled-tests -- the name says why it is not run
    test.skip(`not run: ${found.missing}`, () => {
      expect(found).toHaveProperty('jar')
    })
  })
