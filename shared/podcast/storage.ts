import type { Readable } from 'node:stream'

import type { Receipt } from '../engine/outcome.ts'
import type { Notes } from './words/notes.ts'

/* What the podcast needs of object storage and of caches; implemented in shared/store. */

/** `labels`: what was said of the object when it was written. */
export type ObjectStat = {
  generation: string
  sizeBytes: number
  contentType: string
  labels?: Readonly<Record<string, string>>
}
export type StoredObject = { key: string; generation: string; sizeBytes: number; createdAtMs: number }
export type SignedUpload = { url: string; method: 'PUT'; headers: Record<string, string>; expiresAt: string }

export type ReadLink = {
  /** How long the link is good for. */
  readonly seconds: number
  /** From when on, in the store's time; from now on when absent. */
  readonly fromMs?: number
  readonly generation?: string
  readonly downloadName?: string
  readonly query?: Record<string, string>
}

/** Who calls storage: what ends its calls at once, and who hears that bytes move. */
export type StorageCaller = { readonly signal?: AbortSignal | undefined; readonly onProgress?: () => void }

/**
 * Artefacts. Every call ends within a time in relation to its size, and within seconds when storage is silent. Storage
 * that cannot be used, whatever the call, is `ServiceUnavailable` or `BreakerOpenError`, also on a stream. Every write is
 * create-once: an object never changes under a reader.
 */
export type Objects = {
  /** Begins to load what it needs; call it when the function is sure to need it. */
  preload(): void
  /** The bucket's name: links lead there, and nowhere else. */
  readonly bucket: string
  /** The same, whose calls end with their caller and tell it of progress. */
  within(caller: StorageCaller): Objects
  /**
   * Writes an object under a name that is not taken.
   * @returns its stat, of the earlier write when there was one
   * @throws SourceFailed when `content` could not be read to its end
   */
  create(
    key: string,
    content: Readable | Buffer | string,
    contentType: string,
    signal?: AbortSignal,
    labels?: Readonly<Record<string, string>>,
  ): Promise<ObjectStat>
  /** @returns undefined when there is no such object */
  stat(key: string): Promise<ObjectStat | undefined>
  /** A small object whole, as text. @returns undefined when there is no such object */
  readText(key: string): Promise<string | undefined>
  readStream(key: string): Promise<Readable>
  /**
   * Fetches a byte of an object by a link, as a provider would.
   * @throws ServiceUnavailable where storage cannot be reached; an answer of any other kind is none of its absence
   */
  requireReachable(key: string): Promise<void>
  /** A link that downloads the object, pinned to one version of it when asked. */
  signedRead(key: string, options: ReadLink): Promise<string>
  /** A link through which one object of that type and size can be created, once. */
  signedUpload(key: string, contentType: string, sizeBytes: number, seconds: number): Promise<SignedUpload>
  /** All that lies under a prefix, by name, a page at a time. */
  list(prefix: string): AsyncIterable<readonly StoredObject[]>
  /**
   * Removes an object, or one version of it; one that is not there, or is another by now, is left alone.
   * @param object without a generation: whichever there is
   */
  remove(object: Pick<StoredObject, 'key'> & { readonly generation?: string }): Promise<void>
  /** @param kept keys that stay. @returns how many objects there were beside them */
  removeAll(prefix: string, kept?: ReadonlySet<string>): Promise<number>
}

/** Notes that are there, that we are to write, or that another episode's worker is writing just now. */
export type CachedNotes =
  /** `receipt`: of the call that wrote them, where that was this episode's. */
  | { kind: 'found'; notes: Notes; receipt?: Receipt | undefined }
  | { kind: 'ours' }
  | { kind: 'theirs'; untilMs: number }

/** Show notes by what they were made of, so that the same words are not paid for twice. */
export type NotesCache = {
  /** Looks for notes, or claims them for this episode, which is about to write them: others wait for so long, in ms. */
  reserve(key: string, episodeId: string, leaseMs: number): Promise<CachedNotes>
  /** The claim lasts so much longer from now, in ms. One that is over, or another's by now, stays as it is. */
  renew(key: string, episodeId: string, leaseMs: number): Promise<void>
  keep(key: string, episodeId: string, notes: Notes, receipt?: Receipt): Promise<void>
  /** Ends this episode's claim, so that others need not wait for it. One that is another's by now stays. */
  release(key: string, episodeId: string): Promise<void>
  /** Removes what its owner has deleted. */
  forget(key: string): Promise<void>
  /** Removes what was written for an episode, or was about to be. @returns how much there was. @throws ServiceUnavailable */
  forgetOf(episodeId: string): Promise<number>
}
