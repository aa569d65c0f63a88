/** A provider cannot send us away for longer than this. */
const RETRY_AFTER_MS_MAX = 15 * 60_000

/** What an answer says by its headers; null for one that it has not. */
export type SaidHeaders = { readonly get: (name: 'retry-after' | 'date') => string | null }

/**
 * `Retry-After` as milliseconds from the answer: seconds or an HTTP date (RFC 9110, 10.2.3). A date is meant by the clock
 * of whoever answers: it is compared with the answer's own `Date`.
 * @param nowMs counts where an answer has a date and no `Date`
 * @returns at most 15 minutes; undefined when it is absent or unreadable
 */
export function retryAfterMs(headers: SaidHeaders, nowMs: () => number): number | undefined {
  const text = headers.get('retry-after')?.trim()
  if (text === undefined) return undefined
  const waitMs = /^\d+(\.\d+)?$/.test(text) ? Number(text) * 1000 : Date.parse(text) - answeredAtMs(headers, nowMs)
  return Number.isFinite(waitMs) ? Math.min(Math.max(0, waitMs), RETRY_AFTER_MS_MAX) : undefined
}

function answeredAtMs(headers: SaidHeaders, nowMs: () => number): number {
  const saidMs = Date.parse(headers.get('date') ?? '')
  return Number.isNaN(saidMs) ? nowMs() : saidMs
}
