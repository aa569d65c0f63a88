import type { Readable } from 'node:stream'

import { BreakerOpenError } from '../../breaker/open-error.ts'
import { equalJitterMs } from '../../resilience/backoff.ts'
import type { Receipt } from '../../engine/outcome.ts'
import { pause } from '../../resilience/deadline.ts'
import { log } from '../../telemetry/log.ts'
import type { Tools } from '../tools.ts'
import type { EpisodeAttempt } from './define-step.ts'
import { labelsOf } from '../receipts.ts'
import { isStorageAway } from './unfetched.ts'

/**
 * Longer than storage's breaker stays open after a short absence. What cannot be stored by then has to be paid for again:
 * a worker does not live much longer.
 */
const STORING_MS_MAX = 90_000
const BACKOFF = { baseMs: 500, capMs: 8_000 }

type Stored = {
  readonly key: string
  readonly content: Exclude<Parameters<Tools['objects']['create']>[1], Readable>
  /** Of the call, which is kept with it. */
  readonly receipt: Receipt | undefined
}

/**
 * Stores what a call has been charged for and nobody else has: storage that is away is tried again, because the attempt
 * that gives up has paid for nothing.
 * @throws what storage threw last; the signal's reason
 */
export async function storePaid(
  { signal, call, workflow }: EpisodeAttempt,
  { objects }: Pick<Tools, 'objects'>,
  { key, content, receipt }: Stored,
  contentType: string,
): Promise<void> {
  const endsAtMs = performance.now() + STORING_MS_MAX
  for (let tries = 0; ; tries++) {
    try {
      await objects.create(key, content, contentType, signal, labelsOf(receipt))
      return
    } catch (error) {
      signal.throwIfAborted()
      const askedMs = error instanceof BreakerOpenError ? error.retryAfterMs : 0
      const waitMs = Math.max(askedMs, equalJitterMs(BACKOFF, tries, call.random))
      if (!isStorageAway(error) || performance.now() + waitMs > endsAtMs) throw error
      log('WARNING', 'artefact.stored_later', { episodeId: workflow.id, key, tries, waitMs: Math.round(waitMs) })
      const waited = call.progress?.expectQuiet(waitMs)
      await pause(waitMs, signal)
      waited?.()
    }
  }
}
