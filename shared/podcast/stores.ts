import type { Change, WorkflowStore } from '../engine/ports.ts'
import type { Limits } from '../quotas/plans.ts'
import type { Deletion } from './deletion/deletion.ts'
import type { Episode, EpisodeStatus } from './episode.ts'
import type { KeptLinks } from './links.ts'

/* What the podcast needs of storage; implemented in shared/store. */

type PageQuery = {
  userId: string
  status?: EpisodeStatus | undefined
  pageSize: number
  pageToken?: string | undefined
}

/**
 * `reservations` of its owner's usage are over with the change. `room`: limits that what the change adds to the usage
 * must stay within.
 */
export type EpisodeChange = Change<Episode> & {
  readonly reservations?: readonly (string | undefined)[]
  readonly room?: Room
}
/** How much a person may have of something; what is not named is not looked at. */
export type Room = Partial<Omit<Limits, 'requestsPerMinute'>>

/** An episode as it was at one moment. */
export type Look = {
  readonly episode: Episode
  /** That moment, by the store's clock. */
  readonly atMs: number
  /**
   * Keeps links with the episode's result, unless the episode has changed since that moment.
   * @throws ServiceUnavailable
   */
  keepLinks(links: KeptLinks): Promise<void>
}

export type EpisodeStore = Omit<WorkflowStore<Episode>, 'move'> & {
  /** Begins to load what it needs; call it when the function is sure to need it. */
  preload(): void
  /**
   * @returns false when the id is taken
   * @param room limits that its owner's usage must stay within with it
   * @throws QuotaExceeded
   */
  create(episode: Episode, room?: Room): Promise<boolean>
  /** @throws EpisodeUnreadable for a document that is damaged beyond what can be left out of it */
  read(id: string): Promise<Episode | undefined>
  /** `read`, for links to what was made of it. @throws EpisodeUnreadable */
  look(id: string): Promise<Look | undefined>
  /** What of an episode can be made out, whatever its document has become: enough to remove it. */
  readToRemove(id: string): Promise<Episode | undefined>
  /** `move` of what can be made out of an episode, whatever its document has become: for its removal. */
  moveToRemove: EpisodeStore['move']
  /**
   * WorkflowStore's `move`, with what a change does to its owner's usage. @throws EpisodeUnreadable; QuotaExceeded;
   * UnreadableWrite for a change that nobody could read
   */
  move<Decision extends EpisodeChange>(
    id: string,
    decide: (episode: Episode, nowMs: number) => Decision,
    seen?: { readonly workflow: Episode; readonly version: unknown },
  ): Promise<Decision | undefined>
  /** A person's episodes, newest first. The token is where the last page ended. */
  page(query: PageQuery): Promise<{ episodes: Episode[]; nextPageToken?: string }>
  /** Puts the record of its deletion in the place of a deleted episode, which counts nothing from then on. */
  remove(id: string): Promise<void>
}

/** Records of deletions that have been carried out. */
export type DeletionStore = {
  /** Those that must be looked after, longest due first, as many as a sweep can. @throws ServiceUnavailable */
  due(nowMs: number): Promise<readonly Deletion[]>
  /** @throws ServiceUnavailable */
  save(deletion: Deletion): Promise<void>
}
