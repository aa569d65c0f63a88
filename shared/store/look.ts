import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { KeptLinks } from '../podcast/links.ts'
import type { Look } from '../podcast/stores.ts'
import { EPISODES, parseEpisode } from './episode-documents.ts'
import type { FirestoreAccess } from './firestore.ts'
import { requireReadable } from './require-readable.ts'

/**
 * An episode with the time of its read, and a way to keep links in its document. The field is nobody's but its reader's:
 * a change that meets it only reads the document again.
 * @throws EpisodeUnreadable
 */
export async function lookAtEpisode(firestore: FirestoreAccess, id: string): Promise<Look | undefined> {
  const snapshot = await firestore.call('read episode', (db) => db.collection(EPISODES).doc(id).get())
  const { updateTime, readTime } = snapshot
  if (updateTime === undefined) return undefined
  return {
    episode: parseEpisode(id, snapshot.data() ?? {}),
    atMs: readTime.toMillis(),
    async keepLinks(links) {
      requireReadable(KeptLinks, links, `links of episode ${id}`)
      try {
        await firestore.call('keep links', (db) =>
          db.collection(EPISODES).doc(id).update({ 'results.finish.links': links }, { lastUpdateTime: updateTime }),
        )
      } catch (error) {
        // What they lead to may have been replaced, or somebody else has kept theirs.
        if (!isLostPrecondition(error)) throw error
      }
    },
  }
}
