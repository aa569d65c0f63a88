import { BreakerOpenError } from '../../breaker/open-error.ts'
import { AppError } from '../../errors/app-error.ts'
import { isUnavailability, ProviderError } from '../../providers/provider-error.ts'
import { equalJitterMs } from '../../resilience/backoff.ts'
import { errorFields, log } from '../../telemetry/log.ts'
import type { Outcome } from '../machine.ts'
import { exhausted, rejected, unavailableNow, unavailableTooLong } from './faults.ts'
import { JobEnded } from './work.ts'
import type { Work } from './work.ts'

/** How a provider that cannot be used is come back to. */
export const UNAVAILABLE_BACKOFF = { baseMs: 2_000, capMs: 60_000 }
const REJECTED_JITTER_MS = 2_000
const TRY_AGAIN_BACKOFF = { baseMs: 1_000, capMs: 30_000 }

/** What follows from an attempt's failure: waiting for a service, another attempt, or the end of the step. */
export function outcomeOfFailure(work: Work, error: unknown): Outcome {
  const { dependencies, step, episode } = work
  const nowMs = dependencies.now()
  const charged = work.wasCharged()
  const ambiguous = charged || (error instanceof ProviderError && error.ambiguous)
  const missing = unavailableService(error)
  if (missing !== undefined) {
    const waitMs = equalJitterMs(UNAVAILABLE_BACKOFF, step.unavailable?.waits ?? 0, dependencies.random)
    const { name, sent, technical, retryAfterMs } = missing
    // A breaker says when to come back; everybody hears the same, so a little is added for each alone.
    const untilMs =
      nowMs + (sent ? Math.max(retryAfterMs, waitMs) : retryAfterMs + dependencies.random() * REJECTED_JITTER_MS)
    const fault = unavailableNow(technical)
    const giveUp = unavailableTooLong(name)
    return { kind: 'unavailable', provider: name, untilMs, ambiguous, sent: sent || charged, fault, giveUp }
  }
  const fields = { episodeId: episode.id, step: work.name, attempt: step.attempt, error: errorFields(error) }
  log('ERROR', 'step.attempt_failed', fields)
  if (error instanceof ProviderError && error.kind !== 'bad_response') return { kind: 'failed', fault: rejected(error) }
  const waitMs = equalJitterMs(TRY_AGAIN_BACKOFF, step.attempt - 1, dependencies.random)
  const newJob = error instanceof JobEnded
  return { kind: 'tryAgain', notBeforeMs: nowMs + waitMs, ambiguous, newJob, giveUp: exhausted() }
}

type MissingService = { name: string; retryAfterMs: number; sent: boolean; technical: string }

/** The service that cannot be used just now, if that is what failed: a provider, or our own storage. */
export function unavailableService(error: unknown): MissingService | undefined {
  if (error instanceof BreakerOpenError)
    return { name: error.breaker, retryAfterMs: error.retryAfterMs, sent: false, technical: error.technical }
  if (error instanceof ProviderError && isUnavailability(error.kind))
    return { name: error.provider, retryAfterMs: error.retryAfterMs ?? 0, sent: true, technical: error.message }
  if (error instanceof AppError && error.code === 'service_unavailable')
    return { name: 'gcs', retryAfterMs: 0, sent: true, technical: error.technical }
  return undefined
}
