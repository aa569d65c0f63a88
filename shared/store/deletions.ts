import type { DeletionStore } from '../podcast/stores.ts'
import { Deletion } from '../podcast/deletion/deletion.ts'
import { log } from '../telemetry/log.ts'
import type { FirestoreAccess } from './firestore.ts'
import { requireReadable } from './require-readable.ts'

export const DELETIONS = 'deletions'
/** Looked after by one sweep; what is left is still due. */
const DUE_MAX = 500

/** Deletions that have been carried out, one document each. */
export function deletionStore(firestore: FirestoreAccess): DeletionStore {
  return {
    async due(nowMs) {
      const found = await firestore.call('deletions due', (db) =>
        db.collection(DELETIONS).where('lookAgainAtMs', '<=', nowMs).orderBy('lookAgainAtMs').limit(DUE_MAX).get(),
      )
      return found.docs.flatMap((document) => {
        const { data: deletion, error } = Deletion.safeParse(document.data())
        if (deletion === undefined)
          log('ERROR', 'deletion.unreadable', { episodeId: document.id, issues: error?.issues })
        return deletion ?? []
      })
    },

    async save(deletion) {
      const document = deletionDocument(deletion)
      await firestore.call('record deletion', (db) => db.collection(DELETIONS).doc(deletion.episodeId).set(document))
    },
  }
}

/** As it is stored. @throws UnreadableWrite */
export function deletionDocument(deletion: Deletion): Deletion {
  requireReadable(Deletion, deletion, 'a deletion')
  return { ...deletion, expireAt: new Date(deletion.keptUntilMs) }
}
