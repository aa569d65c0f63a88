import * as z from 'zod'

import { BreakerOpenError } from '../breaker/open-error.ts'
import type { BreakerControl, BreakerStatus } from '../breaker/control.ts'
import { DomainError } from '../errors/domain-error.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'

const FORCED_SECONDS_MAX = 30 * 24 * 3600
const REASON_CHARS_MAX = 500

/** An operator's override of one of the breakers `names`; without `forSeconds` it holds until the next. */
export function overrideRequest(names: readonly string[]) {
  return z.strictObject({
    name: z.enum(names).describe('of the breaker'),
    action: z.enum(['open', 'close', 'auto']).describe('`auto` leaves it to itself again'),
    forSeconds: z
      .number()
      .positive()
      .max(FORCED_SECONDS_MAX)
      .optional()
      .describe('how long; until the next when absent'),
    reason: z.string().trim().min(1).max(REASON_CHARS_MAX).describe('kept with it'),
  })
}
type OverrideRequest = z.infer<ReturnType<typeof overrideRequest>>

/** A breaker in an answer; times are RFC 3339. */
type BreakerView = Omit<BreakerStatus, 'openedAtMs' | 'retryAtMs' | 'changedAtMs' | 'forcedUntilMs' | 'audit'> & {
  openedAt?: string
  retryAt?: string
  /** 1970 where nobody has used it yet. */
  changedAt: string
  forcedUntil?: string
  audit: { action: string; by: string; reason: string; at: string; until?: string }[]
}

/** @throws ServiceUnavailable when the store cannot be used */
export async function listBreakers(control: BreakerControl, names: readonly string[]): Promise<BreakerView[]> {
  return withStore(async () => Promise.all(names.map(async (name) => viewOf(await control.status(name)))))
}

/** @throws ServiceUnavailable when the store cannot be used; then nothing has changed, or the override holds */
export async function overrideBreaker(
  control: BreakerControl,
  { name, action, reason, forSeconds }: OverrideRequest,
  by: string,
): Promise<void> {
  const forMs = forSeconds === undefined ? undefined : forSeconds * 1000
  await withStore(() => control.override(name, { action, by, reason, forMs }))
}

async function withStore<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof DomainError || error instanceof BreakerOpenError) throw error
    throw new ServiceUnavailable('firestore', 'The records of the breakers cannot be used', error)
  }
}

function viewOf(status: BreakerStatus): BreakerView {
  const { openedAtMs, retryAtMs, changedAtMs, forcedUntilMs, audit, ...rest } = status
  return {
    ...rest,
    ...(openedAtMs !== undefined && { openedAt: rfc3339(openedAtMs) }),
    ...(retryAtMs !== undefined && { retryAt: rfc3339(retryAtMs) }),
    changedAt: rfc3339(changedAtMs),
    ...(forcedUntilMs !== undefined && { forcedUntil: rfc3339(forcedUntilMs) }),
    audit: audit.map(({ action, by, reason, atMs, untilMs }) => ({
      action,
      by,
      reason,
      at: rfc3339(atMs),
      ...(untilMs !== null && { until: rfc3339(untilMs) }),
    })),
  }
}

function rfc3339(timeMs: number): string {
  return new Date(timeMs).toISOString()
}
