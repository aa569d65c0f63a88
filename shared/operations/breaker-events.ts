import type { Trouble } from '../breaker/fleet-record.ts'
import type { BreakerEvent } from '../breaker/transitions.ts'
import { errorFields, log } from '../telemetry/log.ts'

/**
 * One line per transition, with the figures that led to it. The same breaker and generation in two lines are one
 * transition; `local`: only this instance made it, because it had no store.
 */
export function logBreakerEvent(event: BreakerEvent & { breaker: string; local: boolean }): void {
  const { type, retryAtMs, atMs, ...figures } = event
  const needsOperator = event.reason === 'auth' || event.reason === 'billing' || event.reason === 'misconfigured'
  const severity = type === 'opened' ? (needsOperator ? 'ERROR' : 'WARNING') : 'NOTICE'
  log(severity, `breaker.${type}`, {
    ...figures,
    at: new Date(atMs).toISOString(),
    ...(retryAtMs !== null && { retryAt: new Date(retryAtMs).toISOString() }),
    ...(type === 'opened' && needsOperator && { alert: true }),
  })
}

/** What hinders a breaker from agreeing with the fleet, and its end. */
export function logBreakerTrouble(trouble: Trouble, breaker: string, cause: unknown): void {
  const severity = trouble === 'store_back' ? 'NOTICE' : 'WARNING'
  log(severity, `breaker.${trouble}`, { breaker, ...(cause !== undefined && { error: errorFields(cause) }) })
}
