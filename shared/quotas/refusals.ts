import { DomainError } from '../errors/domain-error.ts'
import type { Refusal } from './usage.ts'
import { nextMonthMs } from './usage.ts'

const RETRY_MS = { active: 30_000, storage: 3_600_000 }
const GIB = 1024 ** 3

/** A quota is used up: what was used, what the limit is and when it frees, in words and in `details`. */
export class QuotaExceeded extends DomainError {
  override readonly name = 'QuotaExceeded'
  override readonly kind = 'quota_exceeded'

  constructor(refusal: Refusal, nowMs: number) {
    const { quota, limit } = refusal
    const [used, asked] = [roundToTenth(refusal.used), roundToTenth(refusal.asked)]
    const monthly = quota === 'episodesThisMonth' || quota === 'minutesThisMonth'
    const resetsAtMs = nextMonthMs(nowMs)
    const busyMs = quota === 'activeEpisodes' ? RETRY_MS.active : RETRY_MS.storage
    super({
      message: WORDS[quota](used, limit),
      technical: `${quota}: ${used} of ${limit} used, ${asked} more asked for`,
      details: { quota, used, limit, asked, ...(monthly && { resetsAt: new Date(resetsAtMs).toISOString() }) },
      retryAfterMs: monthly ? resetsAtMs - nowMs : busyMs,
    })
  }
}

const WORDS: Record<Refusal['quota'], (used: number, limit: number) => string> = {
  storageBytes: (used, limit) =>
    `There is no room for this: ${gib(used)} of ${gib(limit)} GiB are used. Deleting episodes makes room at once.`,
  drafts: (used, limit) =>
    `${used} of at most ${limit} drafts are there. Processing or deleting one makes room for another.`,
  activeEpisodes: (used, limit) =>
    `${used} of at most ${limit} episodes are being processed. Please try again when one of them is finished.`,
  episodesThisMonth: (used, limit) =>
    `${used} of the ${limit} episodes of this month are used. The next ones are there on the first of next month (UTC).`,
  minutesThisMonth: (used, limit) =>
    `${used} of the ${limit} minutes of this month are used. The next ones are there on the first of next month (UTC).`,
  unfinishedUploads: (used, limit) =>
    `${used} of at most ${limit} uploads and links of this episode have not ended yet. Each of them ends within two hours.`,
  idempotencyKeys: (_used, limit) =>
    `More than ${limit} Idempotency-Keys were used in a day. The same request can be sent without one.`,
}

function gib(bytes: number): string {
  return (bytes / GIB).toFixed(bytes < 10 * GIB ? 1 : 0)
}

function roundToTenth(amount: number): number {
  return Math.round(amount * 10) / 10
}
