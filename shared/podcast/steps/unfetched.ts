import { BreakerOpenError } from '../../breaker/open-error.ts'
import { JobEnded, StepRefused, Unfetched } from '../../engine/failure.ts'
import { ServiceUnavailable } from '../../errors/unavailable.ts'
import { RecordingUnfetched } from '../errors.ts'
import type { JobFailure } from '../ports.ts'
import { NO_SPEECH, NOT_ACCEPTED, NOT_AUDIO } from '../problems.ts'
import type { Tools } from '../tools.ts'
import { recordingOf } from './define-step.ts'
import type { EpisodeAttempt } from './define-step.ts'

/* A provider that fetches from our storage fails when that is away: whose absence it was is found out by asking. */

/** Its name among the services that are waited for. */
const STORAGE = 'gcs'
const WORDS_OF_FAILURE = { not_audio: NOT_AUDIO, no_speech: NO_SPEECH, refused: NOT_ACCEPTED } as const

/**
 * A job that its provider has ended without a result, as the error that says what follows. Many providers have no word
 * of their own for what they could not fetch: storage is asked about every job that may have ended for that.
 */
export async function errorOfJob(
  { reason, message }: JobFailure,
  attempt: EpisodeAttempt,
  tools: Pick<Tools, 'objects'>,
): Promise<Error> {
  if (reason !== 'ended' && reason !== 'unfetched')
    return new StepRefused({ ...WORDS_OF_FAILURE[reason], technical_message: message })
  const unfetched = await errorOfFetch(message, attempt, tools)
  return unfetched.isAway || reason === 'unfetched' ? unfetched : new JobEnded(message)
}

/** A call whose provider could not fetch the recording, as the error that says what follows; any other as it is. */
export async function explainFetch(
  error: unknown,
  attempt: EpisodeAttempt,
  tools: Pick<Tools, 'objects'>,
): Promise<unknown> {
  return error instanceof RecordingUnfetched ? errorOfFetch(error.technical, attempt, tools) : error
}

/**
 * Looks, before another job is made, whether storage is back for which the step was waiting: until then the job would end
 * as the last one did.
 * @throws ServiceUnavailable, BreakerOpenError
 */
export async function requireStorage(attempt: EpisodeAttempt, { objects }: Pick<Tools, 'objects'>): Promise<void> {
  if (attempt.step.unavailable?.service === STORAGE) await objects.requireReachable(recordingOf(attempt).key)
}

/** Fetches a byte of the recording by a link, as the provider was to. */
async function errorOfFetch(
  message: string,
  attempt: EpisodeAttempt,
  { objects }: Pick<Tools, 'objects'>,
): Promise<Unfetched> {
  try {
    await objects.requireReachable(recordingOf(attempt).key)
    return new Unfetched(STORAGE, false, message)
  } catch (error) {
    attempt.signal.throwIfAborted()
    if (isStorageAway(error)) return new Unfetched(STORAGE, true, message, error)
    throw error
  }
}

/** Storage cannot be used just now, and comes back. */
export function isStorageAway(error: unknown): error is ServiceUnavailable | BreakerOpenError {
  return error instanceof ServiceUnavailable || error instanceof BreakerOpenError
}
