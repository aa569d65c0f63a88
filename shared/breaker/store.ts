import type { BreakerRecord } from './record.ts'

/** One version of a stored document; `version` is the store's own and means nothing to anybody else. */
export type StoredRecord = { readonly data: unknown; readonly version: unknown }

/**
 * Where a fleet keeps its breakers. Every promise may reject, or never settle: whoever asks brings the deadline.
 * `serverMs` is the time by the store's own clock, the one clock that all instances have in common.
 */
export type BreakerStore = {
  /** `stored` is undefined when there is no such document. */
  readonly read: (name: string) => Promise<{ stored: StoredRecord | undefined; serverMs: number }>
  /**
   * Writes only on top of exactly that version; of none, when `version` is undefined.
   * @returns 'lost' when the document is not, or no longer, of that version
   */
  readonly write: (
    name: string,
    record: BreakerRecord,
    version: unknown,
  ) => Promise<{ version: unknown; serverMs: number } | 'lost'>
}
