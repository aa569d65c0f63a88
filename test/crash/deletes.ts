import { Storage } from '@google-cloud/storage'

import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { withStore } from './invariants.ts'

/* What is left of an episode that was deleted while a worker was struck, once the time of deletions has passed. */

/** Longer than a deletion waits for what was handed out, and than until it looks for what arrived late. */
export const DELETION_MS = 3_600_000

/**
 * May say that there was such an episode, and nothing of what it was: the record of its deletion, what sweeps did, and
 * answers that are kept to be given again. All of them end by themselves.
 */
const MAY_NAME_IT: ReadonlySet<string> = new Set(['deletions', 'sweeps', 'idempotency'])

/** Words of the person's that may be nowhere: a title, an intro, what was heard. */
export type Secrets = { readonly episodeId: string; readonly words: readonly string[] }

/** What bucket and Firestore still hold of an episode; only the record without content may be. */
export async function leftoversOf(cloud: LocalCloud, { episodeId, words }: Secrets): Promise<string[]> {
  const { environment } = cloud
  const storage = new Storage({
    projectId: 'demo-steadycast',
    apiEndpoint: String(environment['STORAGE_API_ENDPOINT']),
  })
  const [files] = await storage.bucket(String(environment['STORAGE_BUCKET'])).getFiles()
  const objects = files.map(({ name }) => name).filter((name) => name.includes(episodeId))
  const documents = await withStore(cloud, async (db) => {
    const found: string[] = []
    for (const collection of await db.listCollections())
      for (const document of (await collection.get()).docs) {
        const text = JSON.stringify(document.data())
        const isOfEpisode = !MAY_NAME_IT.has(collection.id) && (document.id === episodeId || text.includes(episodeId))
        if (isOfEpisode || words.some((word) => text.includes(word))) found.push(document.ref.path)
      }
    return found
  })
  return [...objects, ...documents]
}
