import * as z from 'zod'

import { cachedVoicePrefix } from '../artefacts.ts'
import type { Episode } from '../episode.ts'

/*
 * What is kept of a deletion that has been carried out: that it happened, and what is needed to find what arrives
 * afterwards. Nothing of what the episode was.
 */

/** An upload that began in time, or a worker that was frozen, may arrive for so long after everything was removed. */
const LOOKED_AFTER_MS = 24 * 3_600_000
/** What arrives late is removed within an hour, the time until the next sweep included. */
const LOOK_EVERY_MS = 45 * 60_000
const KEPT_MS = 30 * 24 * 3_600_000

export const Deletion = z.looseObject({
  schemaVersion: z.literal(1),
  episodeId: z.string(),
  deletedAtMs: z.number(),
  removedAtMs: z.number(),
  /** Where intros of its owner are kept: by a digest of who that is. */
  voicesPrefix: z.string(),
  /** What was found and removed since: objects, and notes kept for other episodes. */
  arrivedLate: z.number().int(),
  /** When to look again; absent: nothing can arrive any more. */
  lookAgainAtMs: z.number().optional(),
  /** When the record goes. */
  keptUntilMs: z.number(),
})
export type Deletion = z.infer<typeof Deletion>

export function beginDeletion({ id, userId, deletedAtMs }: Episode, nowMs: number): Deletion {
  return {
    schemaVersion: 1,
    episodeId: id,
    deletedAtMs: deletedAtMs ?? nowMs,
    removedAtMs: nowMs,
    voicesPrefix: cachedVoicePrefix(userId),
    arrivedLate: 0,
    lookAgainAtMs: nowMs + LOOK_EVERY_MS,
    keptUntilMs: nowMs + KEPT_MS,
  }
}

/** The record after a look. @param found that had arrived since the last one, and is removed */
export function afterLook(deletion: Deletion, found: number, nowMs: number): Deletion {
  const { lookAgainAtMs: _before, ...rest } = deletion
  const isOver = nowMs >= deletion.removedAtMs + LOOKED_AFTER_MS
  return {
    ...rest,
    arrivedLate: deletion.arrivedLate + found,
    ...(!isOver && { lookAgainAtMs: nowMs + LOOK_EVERY_MS }),
  }
}
