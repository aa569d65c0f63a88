import { randomUUID } from 'node:crypto'

import type { WorkDependencies } from '../../dependencies/work.ts'
import { AppError } from '../../errors/app-error.ts'
import { equalJitterMs } from '../../resilience/backoff.ts'
import { errorFields, log } from '../../telemetry/log.ts'
import { enqueueAll } from '../change.ts'
import { byAttempt } from '../history.ts'
import { claim, settle } from '../machine.ts'
import type { Claimed, Fence, Outcome } from '../machine.ts'
import { HEARTBEAT_SHARE } from '../steps.ts'
import type { StepOrder } from '../steps.ts'
import { folded, inRun, runOf } from '../upgrade.ts'
import { attempt } from './attempt.ts'
import { mayFallBack } from './fall-back.ts'
import { exhausted } from './faults.ts'
import { outboundPools } from '../../telemetry/pools.ts'
import { newHookToken } from '../hook-token.ts'
import { stopJob } from './withdraw.ts'
import type { StepWork } from './work.ts'

const SETTLE_BACKOFF = { baseMs: 500, capMs: 4_000 }

/** What became of a task; all of these end it with a 200. */
export type StepReport = { outcome: 'stale' | 'gaveUp' | 'fenced' | Outcome['kind']; reason?: string }

/**
 * Carries out one order: claim the step, work under its lease with heartbeats, settle, enqueue what follows.
 * Delivered twice, late or after its time, it changes nothing; killed half-way, the same task delivered again goes on
 * from what was recorded.
 * @throws AppError when the task must be delivered again
 */
export async function runStep(
  dependencies: WorkDependencies,
  episodeId: string,
  order: StepOrder,
  work: StepWork,
  signal: AbortSignal,
): Promise<StepReport> {
  const fields = { episodeId, step: order.step, generation: order.generation, dispatch: order.dispatch }
  const askedAtMs = performance.now()
  const claimed = await claimStep(dependencies, episodeId, order)
  switch (claimed?.kind) {
    case undefined:
      return stale(fields, 'there is no such episode')
    case 'stale':
      // The order was carried out, but what it led to may never have been enqueued.
      await enqueueAll(dependencies, episodeId, claimed.orders)
      // Only the function that works on this step can speak to its provider.
      if (order.step === 'master')
        await stopJob(dependencies, claimed.episode, { signal, correlationId: episodeId, random: dependencies.random })
      return stale(fields, claimed.reason)
    case 'busy':
      throw new AppError('internal_error', { technical: 'Another attempt holds this step; deliver the task again' })
    case 'gaveUp':
      log('ERROR', 'step.gave_up', { ...fields, error: claimed.moved.episode.error })
      return { outcome: 'gaveUp' }
    case 'claimed': {
      const outcome = await attempt(dependencies, { ...claimed, askedAtMs }, work, signal, fields)
      return outcome === undefined ? fenced(fields) : finish(dependencies, episodeId, claimed.fence, outcome, fields)
    }
  }
}

async function claimStep(
  dependencies: WorkDependencies,
  episodeId: string,
  order: StepOrder,
): Promise<Claimed | undefined> {
  const newJob = {
    key: `${episodeId}-g${order.generation}-${order.step}`,
    hookToken: newHookToken(dependencies.config.webhookSecrets, episodeId),
  }
  const terms = { token: randomUUID(), newJob, giveUp: exhausted() }
  const decision = await dependencies.episodes.move(episodeId, (episode) => {
    const nowMs = dependencies.now()
    const leaseUntilMs = nowMs + dependencies.config.stepLeaseMs
    const run = runOf(episode, order.generation)
    const fallsBack = mayFallBack(run, order.step, dependencies.config)
    const result = claim(run, order, { ...terms, leaseUntilMs, mayFallBack: fallsBack }, nowMs)
    const cause = { by: result.kind === 'claimed' ? byAttempt(terms.token) : 'system' }
    return { result, episode: 'moved' in result ? folded(episode, result.moved.episode) : undefined, cause }
  })
  return decision?.result
}

async function finish(
  dependencies: WorkDependencies,
  episodeId: string,
  fence: Fence,
  outcome: Outcome,
  fields: Record<string, unknown>,
): Promise<StepReport> {
  const decision = await persistently(dependencies, fields, () =>
    dependencies.episodes.move(episodeId, (episode) => {
      const moved = inRun(episode, fence.generation, (run) =>
        settle(run, fence, outcome, dependencies.now(), dependencies.config.episodeDeadlineMs),
      )
      return { moved, before: episode, episode: moved?.episode, cause: { by: byAttempt(fence.token) } }
    }),
  )
  if (decision?.moved === undefined) return fenced(fields)
  const { moved, before } = decision
  const { status, steps, error } = moved.episode
  const settled = { outcome: outcome.kind, state: steps[fence.step].state, status }
  log('INFO', 'step.settled', { ...fields, ...settled, pools: outboundPools() })
  if (status !== before.status) log('NOTICE', `episode.${status}`, { episodeId, error, costs: moved.episode.costs })
  if (before.upgrade !== undefined && moved.episode.upgrade === undefined)
    log(
      'NOTICE',
      moved.episode.generation === fence.generation ? 'episode.upgraded' : 'episode.upgrade_given_up',
      fields,
    )
  const { redriven, state } = steps[fence.step]
  if (redriven !== undefined && state === 'done')
    log('NOTICE', 'step.cured', { ...fields, redrives: redriven.count, tookMs: dependencies.now() - redriven.sinceMs })
  await enqueueAll(dependencies, episodeId, moved.orders)
  return { outcome: outcome.kind }
}

/** The write that a step's work was for is tried for as long as the lease is likely to last. */
async function persistently<T>(dependencies: WorkDependencies, fields: object, write: () => Promise<T>): Promise<T> {
  const untilMs = dependencies.now() + dependencies.config.stepLeaseMs * (1 - HEARTBEAT_SHARE)
  for (let tries = 0; ; tries++) {
    try {
      return await write()
    } catch (error) {
      const waitMs = equalJitterMs(SETTLE_BACKOFF, tries, dependencies.random)
      if (dependencies.now() + waitMs > untilMs || !(error instanceof AppError && error.code === 'service_unavailable'))
        throw error
      log('WARNING', 'step.settle_retried', { ...fields, tries, error: errorFields(error) })
      await new Promise((resolve) => setTimeout(resolve, waitMs))
    }
  }
}

function stale(fields: Record<string, unknown>, reason: string): StepReport {
  log('NOTICE', 'step.stale', { ...fields, reason })
  return { outcome: 'stale', reason }
}

function fenced(fields: Record<string, unknown>): StepReport {
  log('NOTICE', 'step.fenced', fields)
  return { outcome: 'fenced' }
}
