import { randomBytes, randomUUID } from 'node:crypto'

import type { WorkDependencies } from '../../dependencies/work.ts'
import { BreakerOpenError } from '../../breaker/open-error.ts'
import { AppError } from '../../errors/app-error.ts'
import { isUnavailability, ProviderError } from '../../providers/provider-error.ts'
import { equalJitterMs } from '../../resilience/backoff.ts'
import { errorFields, log } from '../../telemetry/log.ts'
import { enqueueAll } from '../actions.ts'
import { byAttempt } from '../history.ts'
import { claim, letGo, note, settle } from '../machine.ts'
import type { Claimed, Fence, Outcome } from '../machine.ts'
import type { Step } from '../schema.ts'
import { ENTITLED_SHARE, HEARTBEAT_SHARE, PAID_CALL_STEPS } from '../steps.ts'
import type { StepOrder } from '../steps.ts'
import { exhausted, rejected, unavailableNow, unavailableTooLong } from './faults.ts'
import { stopJob } from './withdraw.ts'
import { JobEnded, LeaseLost } from './work.ts'
import type { Worker } from './work.ts'

/** How a provider that cannot be used is come back to. */
const UNAVAILABLE_BACKOFF = { baseMs: 2_000, capMs: 60_000 }
const REJECTED_JITTER_MS = 2_000
const SETTLE_BACKOFF = { baseMs: 500, capMs: 4_000 }
const TRY_AGAIN_BACKOFF = { baseMs: 1_000, capMs: 30_000 }

/** What became of a task; all of these end it with a 200. */
export type StepReport = { outcome: 'stale' | 'gaveUp' | 'fenced' | Outcome['kind']; reason?: string }

/**
 * Carries out one order: claim the step, work under its lease with heartbeats, settle, enqueue what follows.
 * Delivered twice, late or after its time, it changes nothing; killed half-way, the same task delivered again goes on
 * from what was recorded.
 * @throws AppError when the task must be delivered again
 */
export async function runStep(
  needs: WorkDependencies,
  episodeId: string,
  order: StepOrder,
  worker: Worker,
  signal: AbortSignal,
): Promise<StepReport> {
  const fields = { episodeId, step: order.step, generation: order.generation, dispatch: order.dispatch }
  const askedAtMs = performance.now()
  const claimed = await claimStep(needs, episodeId, order)
  switch (claimed?.kind) {
    case undefined:
      return stale(fields, 'there is no such episode')
    case 'stale':
      // The order was carried out, but what it led to may never have been enqueued.
      await enqueueAll(needs, episodeId, claimed.orders)
      await stopJob(needs, claimed.episode, { signal, correlationId: episodeId, random: needs.random })
      return stale(fields, claimed.reason)
    case 'busy':
      throw new AppError('internal_error', { technical: 'Another attempt holds this step; deliver the task again' })
    case 'gaveUp':
      log('ERROR', 'step.gave_up', { ...fields, error: claimed.moved.episode.error })
      return { outcome: 'gaveUp' }
    case 'claimed': {
      const outcome = await attempt(needs, { ...claimed, askedAtMs }, worker, signal, fields)
      return outcome === undefined ? fenced(fields) : finish(needs, episodeId, claimed.fence, outcome, fields)
    }
  }
}

async function claimStep(needs: WorkDependencies, episodeId: string, order: StepOrder): Promise<Claimed | undefined> {
  const newJob = {
    key: `${episodeId}-g${order.generation}-${order.step}`,
    hookToken: randomBytes(24).toString('base64url'),
  }
  const terms = { token: randomUUID(), newJob, giveUp: exhausted() }
  const decision = await needs.episodes.move(episodeId, (episode) => {
    const nowMs = needs.now()
    const result = claim(episode, order, { ...terms, leaseUntilMs: nowMs + needs.config.stepLeaseMs }, nowMs)
    const cause = { by: result.kind === 'claimed' ? byAttempt(terms.token) : 'system' }
    return { result, episode: 'moved' in result ? result.moved.episode : undefined, cause }
  })
  return decision?.result
}

/** @returns undefined when the lease was lost on the way */
async function attempt(
  needs: WorkDependencies,
  claimed: Extract<Claimed, { kind: 'claimed' }> & { askedAtMs: number },
  worker: Worker,
  requestSignal: AbortSignal,
  fields: Record<string, unknown>,
): Promise<Outcome | undefined> {
  const { fence, resumesIntent } = claimed
  const { episode } = claimed.moved
  const lost = new AbortController()
  let charged = false
  let doing: string | undefined
  let renewedAtMs = claimed.askedAtMs
  const signal = AbortSignal.any([requestSignal, lost.signal])
  const record = async (job: Partial<NonNullable<Step['job']>>) => {
    const askedAtMs = performance.now()
    const decision = await needs.episodes.move(episode.id, (current) => {
      const nowMs = needs.now()
      const moved = note(current, fence, job, nowMs + needs.config.stepLeaseMs, nowMs, doing)
      return { episode: moved?.episode, cause: { by: byAttempt(fence.token) } }
    })
    if (decision?.episode === undefined) {
      lost.abort(new LeaseLost('the step is held by another attempt'))
      throw lost.signal.reason
    }
    renewedAtMs = askedAtMs
  }
  // An instance that was frozen, or could not renew its lease, must not send what another may be sending.
  const stillEntitled = () => {
    if (performance.now() - renewedAtMs > needs.config.stepLeaseMs * ENTITLED_SHARE)
      throw new AppError('internal_error', { technical: 'The lease could not be renewed in time' })
  }
  const heartbeat = setInterval(() => {
    record({}).catch((error: unknown) => {
      if (!(error instanceof LeaseLost))
        log('WARNING', 'step.heartbeat_failed', { ...fields, error: errorFields(error) })
    })
  }, needs.config.stepLeaseMs * HEARTBEAT_SHARE)
  log('INFO', 'step.started', { ...fields, attempt: episode.steps[fence.step].attempt, resumesIntent })
  try {
    const call = { signal, correlationId: episode.id, random: needs.random, stillEntitled }
    return await worker({
      needs,
      episode,
      step: episode.steps[fence.step],
      signal,
      call,
      resumesIntent,
      noteJob: record,
      charged: () => void (charged = true),
      at: (what) => void (doing = what),
    })
  } catch (error) {
    if (lost.signal.aborted || error instanceof LeaseLost) return undefined
    if (requestSignal.aborted) {
      await release(needs, episode.id, fence, charged)
      throw new AppError('timeout', { technical: 'The worker ran out of time', cause: error })
    }
    return outcomeOfFailure(needs, { step: episode.steps[fence.step], error, charged }, fields)
  } finally {
    clearInterval(heartbeat)
  }
}

/** Lets the next delivery go on at once, unless a paid call may have gone through: that one waits for the lease. */
async function release(needs: WorkDependencies, episodeId: string, fence: Fence, charged: boolean): Promise<void> {
  if (charged || PAID_CALL_STEPS.has(fence.step)) return
  const given = needs.episodes.move(episodeId, (episode) => ({
    episode: letGo(episode, fence, needs.now())?.episode,
    cause: { by: byAttempt(fence.token), why: 'its instance is ending' },
  }))
  await given.catch(() => undefined)
}

function outcomeOfFailure(
  needs: WorkDependencies,
  { step, error, charged }: { step: Step; error: unknown; charged: boolean },
  fields: Record<string, unknown>,
): Outcome {
  const nowMs = needs.now()
  const ambiguous = charged || (error instanceof ProviderError && error.ambiguous)
  const missing = unavailableService(error)
  if (missing !== undefined) {
    const waitMs = equalJitterMs(UNAVAILABLE_BACKOFF, step.unavailable?.waits ?? 0, needs.random)
    const { name, sent, technical, retryAfterMs } = missing
    // A breaker says when to come back; everybody hears the same, so a little is added for each alone.
    const untilMs = nowMs + (sent ? Math.max(retryAfterMs, waitMs) : retryAfterMs + needs.random() * REJECTED_JITTER_MS)
    const fault = unavailableNow(technical)
    const giveUp = unavailableTooLong(name)
    return { kind: 'unavailable', provider: name, untilMs, ambiguous, sent: sent || charged, fault, giveUp }
  }
  log('ERROR', 'step.attempt_failed', { ...fields, attempt: step.attempt, error: errorFields(error) })
  if (error instanceof ProviderError && error.kind !== 'bad_response') return { kind: 'failed', fault: rejected(error) }
  const waitMs = equalJitterMs(TRY_AGAIN_BACKOFF, step.attempt - 1, needs.random)
  const newJob = error instanceof JobEnded
  return { kind: 'tryAgain', notBeforeMs: nowMs + waitMs, ambiguous, newJob, giveUp: exhausted() }
}

type MissingService = { name: string; retryAfterMs: number; sent: boolean; technical: string }

/** The service that cannot be used just now, if that is what failed: a provider, or our own storage. */
function unavailableService(error: unknown): MissingService | undefined {
  if (error instanceof BreakerOpenError)
    return { name: error.breaker, retryAfterMs: error.retryAfterMs, sent: false, technical: error.technical }
  if (error instanceof ProviderError && isUnavailability(error.kind))
    return { name: error.provider, retryAfterMs: error.retryAfterMs ?? 0, sent: true, technical: error.message }
  if (error instanceof AppError && error.code === 'service_unavailable')
    return { name: 'gcs', retryAfterMs: 0, sent: true, technical: error.technical }
  return undefined
}

async function finish(
  needs: WorkDependencies,
  episodeId: string,
  fence: Fence,
  outcome: Outcome,
  fields: Record<string, unknown>,
): Promise<StepReport> {
  const decision = await persistently(needs, fields, () =>
    needs.episodes.move(episodeId, (episode) => {
      const moved = settle(episode, fence, outcome, needs.now(), needs.config.episodeDeadlineMs)
      return { moved, episode: moved?.episode, cause: { by: byAttempt(fence.token) } }
    }),
  )
  const moved = decision?.moved
  if (moved === undefined) return fenced(fields)
  const { status, steps, error } = moved.episode
  log('INFO', 'step.settled', { ...fields, outcome: outcome.kind, state: steps[fence.step].state, status })
  if (status === 'ready' || status === 'error') log('NOTICE', `episode.${status}`, { episodeId, error })
  const { redriven, state } = steps[fence.step]
  if (redriven !== undefined && state === 'done')
    log('NOTICE', 'step.cured', { ...fields, redrives: redriven.count, tookMs: needs.now() - redriven.sinceMs })
  await enqueueAll(needs, episodeId, moved.orders)
  return { outcome: outcome.kind }
}

/** The write that a step's work was for is tried for as long as the lease is likely to last. */
async function persistently<T>(needs: WorkDependencies, fields: object, write: () => Promise<T>): Promise<T> {
  const untilMs = needs.now() + needs.config.stepLeaseMs * (1 - HEARTBEAT_SHARE)
  for (let tries = 0; ; tries++) {
    try {
      return await write()
    } catch (error) {
      const waitMs = equalJitterMs(SETTLE_BACKOFF, tries, needs.random)
      if (needs.now() + waitMs > untilMs || !(error instanceof AppError && error.code === 'service_unavailable'))
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
