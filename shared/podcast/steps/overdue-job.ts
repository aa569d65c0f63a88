import { ServiceAway } from '../../engine/failure.ts'
import { log } from '../../telemetry/log.ts'
import type { EpisodeAttempt } from './define-step.ts'

/*
 * A job that its provider has, and does not end. After a time in proportion to the recording's length its provider counts
 * as away: it is waited for as if it did not answer, and after that the step goes on without it. The job stays known, and
 * is asked for as long as it is waited for.
 */

/** How long a provider may be at a job: a share of the recording's length, and never less than `msMin`. */
export type WorkTime = { readonly msMin: number; readonly shareOfLength: number }

/** @param recordingSeconds as far as it is known */
export function workMs({ msMin, shareOfLength }: WorkTime, recordingSeconds: number): number {
  return Math.max(msMin, recordingSeconds * 1000 * shareOfLength)
}

/**
 * @returns in how many ms a job that its provider was given at `sinceMs` should have ended
 * @throws ServiceAway once it should have
 */
export function requireInTime(
  attempt: EpisodeAttempt,
  job: { readonly sinceMs: number; readonly workMs: number; readonly doing?: string | undefined },
): number {
  const { provider = '', workflow, name, step } = attempt
  const elapsedMs = attempt.nowMs() - job.sinceMs
  if (elapsedMs < job.workMs) return job.workMs - elapsedMs
  // Once, and not each time that it is looked for.
  if (step.unavailable === undefined)
    log('WARNING', 'provider.overdue', { provider, episodeId: workflow.id, step: name, elapsedMs })
  const technical = `${provider}: still "${job.doing ?? 'at work'}" ${Math.round(elapsedMs / 1000)} s after it was given the job`
  throw new ServiceAway(provider, technical, undefined)
}
