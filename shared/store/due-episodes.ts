import type { QueryDocumentSnapshot } from '@google-cloud/firestore'

import { isLostPrecondition } from '../breaker/lost-precondition.ts'
import { EPISODES, versionOf } from './episodes.ts'
import type { Version } from './episodes.ts'
import type { FirestoreAccess } from './firestore.ts'

/** One document that is due: an episode, or what cannot be read as one. */
export type Due = { readonly id: string; readonly seen: Version | undefined; readonly postpone: Postpone }
/** Lets the sweep come back later, unless the document has changed since it was read. */
type Postpone = (untilMs: number) => Promise<void>
export type DueEpisodes = ReturnType<typeof dueEpisodes>

/** Episodes that a sweep must look at, by the index on `sweepAtMs`: no other document is read. */
export function dueEpisodes(firestore: FirestoreAccess) {
  return {
    /** Longest due first, a page at a time; each page is read when it is asked for. */
    async *pages(nowMs: number, pageSize: number): AsyncGenerator<Due[], void> {
      let last: QueryDocumentSnapshot | undefined
      do {
        const after = last
        const page = await firestore.call('episodes due', (db) => {
          const query = db.collection(EPISODES).where('sweepAtMs', '<=', nowMs).orderBy('sweepAtMs').limit(pageSize)
          return (after === undefined ? query : query.startAfter(after)).get()
        })
        if (page.size > 0) yield page.docs.map(dueOf)
        last = page.size < pageSize ? undefined : page.docs.at(-1)
      } while (last !== undefined)
    },
  }

  function dueOf(document: QueryDocumentSnapshot): Due {
    return {
      id: document.id,
      seen: readable(document),
      async postpone(untilMs) {
        try {
          await firestore.call('postpone episode', () =>
            document.ref.update({ sweepAtMs: untilMs }, { lastUpdateTime: document.updateTime }),
          )
        } catch (error) {
          if (!isLostPrecondition(error)) throw error
        }
      },
    }
  }
}

function readable(document: QueryDocumentSnapshot): Version | undefined {
  try {
    return versionOf(document.data(), document.updateTime)
  } catch {
    return undefined
  }
}
