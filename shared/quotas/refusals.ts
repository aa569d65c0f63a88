import { AppError } from '../errors/app-error.ts'
import type { Refusal } from './usage.ts'
import { nextMonthMs } from './usage.ts'

const RETRY_SECONDS = { active: 30, storage: 3600 }
const GIB = 1024 ** 3

/** The 429 of a quota, in words and in `details`: what was used, what the limit is and when it frees. */
export function quotaExceeded({ quota, used, limit, asked }: Refusal, nowMs: number): AppError {
  const resetsAtMs = nextMonthMs(nowMs)
  const monthly = quota === 'episodesThisMonth' || quota === 'minutesThisMonth'
  const details = {
    quota,
    used: rounded(used),
    limit,
    asked: rounded(asked),
    ...(monthly && { resetsAt: new Date(resetsAtMs).toISOString() }),
  }
  return new AppError('quota_exceeded', {
    message: WORDS[quota](rounded(used), limit),
    technical: `${quota}: ${rounded(used)} of ${limit} used, ${rounded(asked)} more asked for`,
    details,
    retryAfterSeconds: monthly
      ? Math.ceil((resetsAtMs - nowMs) / 1000)
      : quota === 'activeEpisodes'
        ? RETRY_SECONDS.active
        : RETRY_SECONDS.storage,
  })
}

const WORDS: Record<Refusal['quota'], (used: number, limit: number) => string> = {
  storageBytes: (used, limit) =>
    `There is no room for this recording: ${gib(used)} of ${gib(limit)} GiB are used. Deleting episodes makes room at once.`,
  activeEpisodes: (used, limit) =>
    `${used} of at most ${limit} episodes are being processed. Please try again when one of them is finished.`,
  episodesThisMonth: (used, limit) =>
    `${used} of the ${limit} episodes of this month are used. The next ones are there on the first of next month (UTC).`,
  minutesThisMonth: (used, limit) =>
    `${used} of the ${limit} minutes of this month are used. The next ones are there on the first of next month (UTC).`,
}

function gib(bytes: number): string {
  return (bytes / GIB).toFixed(bytes < 10 * GIB ? 1 : 0)
}

function rounded(amount: number): number {
  return Math.round(amount * 10) / 10
}
