import { createHash, timingSafeEqual } from 'node:crypto'

import { enqueueAll } from '../engine/enqueue.ts'
import type { TaskQueue } from '../engine/ports.ts'
import { inGeneration, viewCurrent } from '../engine/transitions/upgrade.ts'
import { hasten } from '../engine/transitions/webhook.ts'
import { ForeignWebhookToken } from './errors.ts'
import { PIPELINE } from './pipeline.ts'
import type { StepName } from './pipeline.ts'
import type { EpisodeStore } from './stores.ts'
import { isPlausibleToken } from './webhook-token.ts'

type WebhookTools = {
  readonly episodes: EpisodeStore
  readonly queue: Pick<TaskQueue, 'enqueue'>
  readonly config: { readonly webhookSecrets: readonly string[] }
}

/**
 * A provider's webhook about a step's job only makes us ask the provider sooner. Twice, early, late or out of order it
 * changes nothing.
 * @throws ForeignWebhookToken unless `token` is the one made for this very job
 */
export async function acceptWebhook(
  { episodes, queue, config }: WebhookTools,
  step: StepName,
  { episodeId, token }: { episodeId: string | undefined; token: string | undefined },
): Promise<void> {
  if (episodeId === undefined || token === undefined) throw new ForeignWebhookToken()
  if (!isPlausibleToken(config.webhookSecrets, episodeId, token)) throw new ForeignWebhookToken()
  const landed = await episodes.move(episodeId, (episode, nowMs) => {
    const { steps, generation, deletedAtMs } = viewCurrent(episode)
    const expected = deletedAtMs === undefined ? steps[step].job?.webhookToken : undefined
    if (expected === undefined || !isSameToken(token, expected)) throw new ForeignWebhookToken()
    const moved = inGeneration(episode, generation, (view) => hasten(PIPELINE, view, { step }, nowMs))
    return { next: moved?.next, tasks: moved?.tasks ?? [], cause: { by: 'webhook' } }
  })
  if (landed === undefined) throw new ForeignWebhookToken()
  await enqueueAll(queue, episodeId, landed.tasks)
}

/** Compares digests, which have one length, so that time tells nothing about the token. */
function isSameToken(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
