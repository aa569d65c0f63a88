import { createHash, timingSafeEqual } from 'node:crypto'

import type { Dependencies } from '../dependencies/dependencies.ts'
import { enqueueAll } from './change.ts'
import { ForeignHookToken } from './errors.ts'
import { mayBeOurs } from './hook-token.ts'
import { hurry } from './machine.ts'
import type { StepName } from './steps.ts'
import { currentRun, inRun } from './upgrade.ts'

/**
 * A provider's webhook about a step's job. It is a hint and nothing else: it makes us ask the provider sooner. Twice,
 * early, late or out of order it changes nothing.
 * @throws ForeignHookToken unless `token` is the one made for this very job
 */
export async function takeHint(
  needs: Pick<Dependencies, 'config' | 'episodes' | 'queue' | 'now'>,
  step: StepName,
  { episodeId, token }: { episodeId: string | undefined; token: string | undefined },
): Promise<void> {
  if (episodeId === undefined || token === undefined) throw new ForeignHookToken()
  if (!mayBeOurs(needs.config.webhookSecrets, episodeId, token)) throw new ForeignHookToken()
  const decision = await needs.episodes.move(episodeId, (episode) => {
    const run = currentRun(episode)
    const expected = run.deletedAtMs === undefined ? run.steps[step].job?.hookToken : undefined
    if (expected === undefined || !equal(token, expected)) throw new ForeignHookToken()
    const moved = inRun(episode, run.generation, (current) => hurry(current, step, needs.now()))
    return { episode: moved?.episode, orders: moved?.orders ?? [], cause: { by: 'webhook' } }
  })
  if (decision === undefined) throw new ForeignHookToken()
  await enqueueAll(needs, episodeId, decision.orders)
}

/** Compares digests, which have one length, so that time tells nothing about the token. */
function equal(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(a), digest(b))
}
