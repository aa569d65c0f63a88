import { enqueueAll } from '../../engine/enqueue.ts'
import { outstandingTasks } from '../../engine/transitions/moved.ts'
import type { Moved } from '../../engine/transitions/moved.ts'
import { start } from '../../engine/transitions/owner.ts'
import type { Operation } from '../../http/operation.ts'
import type { Episode } from '../episode.ts'
import { LanguageNotTaken, RecordingReplaced, UnusableRecording } from '../errors.ts'
import type { Languages } from '../ports.ts'
import { PIPELINE } from '../pipeline.ts'
import { readOwned, requireStatus } from './access.ts'
import type { Owner, OwnerTools } from './access.ts'
import { changeEpisode, hasTakenEffect, roomAtWork } from './change.ts'

/**
 * Starts the pipeline. Again while it runs: nothing new, but a task that was never enqueued is.
 * @throws LanguageNotTaken when nobody can transcribe it and no transcript was brought; QuotaExceeded
 */
export async function processEpisode(
  tools: OwnerTools & { readonly languages: Languages },
  owner: Owner,
  episodeId: string,
  operation: Operation,
): Promise<Episode> {
  const { userId, limits } = owner
  const episode = await readOwned(tools, userId, episodeId)
  if (!hasTakenEffect(episode, operation)) requireStatus(episode, ['draft', 'processing'])
  if (episode.status !== 'draft') {
    await enqueueAll(tools.queue, episode.id, outstandingTasks(episode, episode.generation))
    return episode
  }
  if (episode.handTranscript === undefined && !tools.languages.takes(episode.language))
    throw new LanguageNotTaken(episode.language, tools.languages.list)
  const { reservation, ...audio } = await pinRecording(tools, episode)
  const begin = (current: Episode, nowMs: number): Moved<Episode> => {
    if (current.status === 'processing') return { next: current, tasks: outstandingTasks(current, current.generation) }
    if (current.audio?.key !== audio.key) throw new RecordingReplaced()
    return start(PIPELINE, { ...current, audio }, {}, nowMs)
  }
  return changeEpisode(tools, {
    userId,
    episodeId,
    operation,
    allowed: ['draft', 'processing'],
    transition: begin,
    reservations: [reservation],
    room: () => roomAtWork(limits),
  })
}

/** The recording as it is in storage at this moment: what is processed is that version of it. */
async function pinRecording(
  { objects }: Pick<OwnerTools, 'objects'>,
  { audio }: Episode,
): Promise<NonNullable<Episode['audio']>> {
  const stored = audio && (await objects.stat(audio.key))
  if (audio === undefined || stored === undefined)
    throw new UnusableRecording({
      message: 'There is no recording yet. Please upload one first.',
      technical: audio === undefined ? 'The episode has no audio' : 'The upload has not arrived in storage',
    })
  if (audio.declaredBytes !== undefined && stored.sizeBytes > audio.declaredBytes)
    throw new UnusableRecording({
      technical: `The upload is larger than the ${audio.declaredBytes} bytes announced`,
    })
  return { ...audio, sizeBytes: stored.sizeBytes, objectGeneration: stored.generation }
}
