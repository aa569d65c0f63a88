import type { Limits } from './plans.ts'
import { monthOf, nextMonthMs, totals } from './usage.ts'
import type { Usage } from './usage.ts'

/** What a person uses and may use, as they see it; `null` is no limit. */
export type UsageView = {
  usage: Omit<Record<keyof Limits, number>, 'requestsPerMinute'>
  limits: Record<keyof Limits, number | null>
  /** When the counts of this month begin anew. */
  resetsAt: string
  /** Month to provider to unit to amount. */
  costs: Record<string, Record<string, Record<string, number>>>
}

export function usageView(usage: Usage, limits: Limits, nowMs: number): UsageView {
  const used = totals(usage, nowMs)
  const costs = Object.entries(usage.months).map(([month, { costs: ofMonth }]) => [month, ofMonth])
  return {
    usage: { ...used, minutesThisMonth: Math.round(used.minutesThisMonth * 10) / 10 },
    limits: Object.fromEntries(
      Object.entries(limits).map(([name, limit]) => [name, limit === Infinity ? null : limit]),
    ) as UsageView['limits'],
    resetsAt: new Date(nextMonthMs(nowMs)).toISOString(),
    costs: { [monthOf(nowMs)]: {}, ...Object.fromEntries(costs) },
  }
}
