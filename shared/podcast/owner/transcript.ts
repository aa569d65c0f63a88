import { randomBytes } from 'node:crypto'

import { bring } from '../../engine/transitions/owner.ts'
import { handTranscriptKey } from '../artefacts.ts'
import type { Episode } from '../episode.ts'
import { NeverProcessed } from '../errors.ts'
import { PIPELINE } from '../pipeline.ts'
import { replaceTranscript } from '../strays.ts'
import type { ReadTranscript } from '../words/prepare-hand-transcript.ts'
import type { Owner, OwnerTools } from './access.ts'
import { bringObject, takeUpAnnounced } from './bring.ts'
import { changeEpisode, roomAtWork } from './change.ts'

const ALLOWED = ['draft', 'processing', 'error'] as const

/** Takes the words of the recording from its owner, at any moment before it is ready. They count as what is stored. */
export async function giveTranscript(
  tools: OwnerTools,
  owner: Owner,
  episodeId: string,
  { json, timed }: ReadTranscript,
): Promise<Episode> {
  const { userId, limits } = owner
  const key = handTranscriptKey(episodeId, randomBytes(9).toString('hex'))
  return bringObject(tools, owner, {
    episodeId,
    key,
    bytesMax: Buffer.byteLength(json),
    allowed: ALLOWED,
    check: requireProcessable,
    store: () => tools.objects.create(key, json, 'application/json'),
    takeUp: ({ sizeBytes }) =>
      changeEpisode(tools, {
        userId,
        episodeId,
        allowed: ALLOWED,
        transition: (current, nowMs) => {
          requireProcessable(current)
          const replaced = replaceTranscript(takeUpAnnounced(current, key, nowMs), nowMs)
          const handTranscript = { key, timed, sizeBytes }
          return bring(PIPELINE, { ...replaced, handTranscript }, { step: 'transcribe' }, nowMs)
        },
        room: () => roomAtWork(limits),
      }),
  })
}

/** @throws NeverProcessed */
function requireProcessable({ status, audio }: Episode): void {
  if (status !== 'draft' && audio?.objectGeneration === undefined) throw new NeverProcessed()
}
