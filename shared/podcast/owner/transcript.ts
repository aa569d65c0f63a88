import { randomBytes } from 'node:crypto'

import { bring } from '../../engine/transitions/owner.ts'
import { handTranscriptKey } from '../artefacts.ts'
import type { Episode } from '../episode.ts'
import { NeverProcessed } from '../errors.ts'
import { PIPELINE } from '../pipeline.ts'
import { recordedSeconds } from '../usage.ts'
import type { ReadTranscript } from '../words/prepare-hand-transcript.ts'
import { readOwned, requireStatus } from './access.ts'
import type { Owner, OwnerTools } from './access.ts'
import { changeEpisode, withPlaceAtWork } from './change.ts'

/** Takes the words of the recording from its owner, at any moment before it is ready. */
export async function giveTranscript(
  tools: OwnerTools,
  owner: Owner,
  episodeId: string,
  transcript: ReadTranscript,
): Promise<Episode> {
  const { userId } = owner
  const allowed = ['draft', 'processing', 'error'] as const
  const episode = requireStatus(await readOwned(tools, userId, episodeId), allowed)
  const key = handTranscriptKey(episodeId, randomBytes(9).toString('hex'))
  await tools.objects.create(key, transcript.json, 'application/json')
  const give = (reservations: string[]) =>
    changeEpisode(tools, {
      userId,
      episodeId,
      allowed,
      transition: (current, nowMs) => {
        if (current.status !== 'draft' && current.audio?.objectGeneration === undefined) throw new NeverProcessed()
        const handTranscript = { key, timed: transcript.timed }
        return bring(PIPELINE, { ...current, handTranscript }, { step: 'transcribe' }, nowMs)
      },
      reservations,
    })
  if (episode.status !== 'error') return give([])
  return withPlaceAtWork(tools, owner, { episodeId, seconds: recordedSeconds(episode) }, give)
}
