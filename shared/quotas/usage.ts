import * as z from 'zod'

import type { Limits } from './plans.ts'

/** What a person uses, in one document. Counters change in the very write that changes an episode. */
const Month = z.looseObject({
  episodes: z.number().int().default(0),
  seconds: z.number().default(0),
  /** Provider to unit to amount. */
  costs: z.record(z.string(), z.record(z.string(), z.number())).default({}),
})
const Pending = z.looseObject({
  bytes: z.number().default(0),
  episodes: z.number().int().default(0),
  seconds: z.number().default(0),
  untilMs: z.number(),
})
export const Usage = z.looseObject({
  storageBytes: z.number().default(0),
  drafts: z.number().int().default(0),
  activeEpisodes: z.number().int().default(0),
  activeSeconds: z.number().default(0),
  months: z.record(z.string(), Month).default({}),
  /** What earlier releases have granted before it was seen in an episode. Each ends by itself. */
  pending: z.record(z.string(), Pending).default({}),
})
export type Usage = z.infer<typeof Usage>

type Quota = Exclude<keyof Limits, 'requestsPerMinute'>
/** What is bounded for everybody alike, whatever their plan. */
type Bound = 'unfinishedUploads' | 'idempotencyKeys'
export type Refusal = { quota: Quota | Bound; used: number; limit: number; asked: number }

/** Reservations that have ended by themselves. */
export function expiredReservations({ pending }: Usage, nowMs: number): string[] {
  return Object.entries(pending).flatMap(([id, { untilMs }]) => (untilMs > nowMs ? [] : [id]))
}

/** Used and reserved, by the names of the limits. */
export function totals(usage: Usage, nowMs: number): Record<Quota, number> {
  const pending = Object.values(usage.pending).filter(({ untilMs }) => untilMs > nowMs)
  const sum = (what: 'bytes' | 'episodes' | 'seconds') => pending.reduce((all, one) => all + one[what], 0)
  const month = usage.months[monthOf(nowMs)]
  const activeEpisodes = usage.activeEpisodes + sum('episodes')
  return {
    storageBytes: usage.storageBytes + sum('bytes'),
    drafts: usage.drafts,
    activeEpisodes,
    episodesThisMonth: (month?.episodes ?? 0) + activeEpisodes,
    minutesThisMonth: ((month?.seconds ?? 0) + usage.activeSeconds + sum('seconds')) / 60,
  }
}

/** Provider to unit to amount. */
type Costs = Record<string, Record<string, number>>

/** How the counters change with an episode; undefined when they do not. */
export type UsageChange = {
  storageBytes?: number
  drafts?: number
  activeEpisodes?: number
  activeSeconds?: number
  month?: { name: string; episodes?: number; seconds?: number; costs?: Costs }
}

/** How much more a change makes of what is limited, by the names of the limits. */
export function growthOf(change: UsageChange | undefined): Record<Quota, number> {
  const { storageBytes = 0, drafts = 0, activeEpisodes = 0, activeSeconds = 0 } = change ?? {}
  // What is at work counts for the month from its beginning.
  const minutesThisMonth = activeSeconds / 60
  return { storageBytes, drafts, activeEpisodes, episodesThisMonth: activeEpisodes, minutesThisMonth }
}

/** The limit that is in the way of a change, if one is; what becomes less is never refused. */
export function refuseGrowth(
  usage: Usage,
  change: UsageChange | undefined,
  limits: Partial<Pick<Limits, Quota>>,
  nowMs: number,
): Refusal | undefined {
  const used = totals(usage, nowMs)
  const growth = Object.entries(growthOf(change)) as [Quota, number][]
  for (const [quota, asked] of growth) {
    const limit = limits[quota] ?? Infinity
    if (asked > 0 && used[quota] + asked > limit) return { quota, used: used[quota], limit, asked }
  }
  return undefined
}

/** `2026-11`, in UTC. */
export function monthOf(timeMs: number): string {
  return new Date(timeMs).toISOString().slice(0, 7)
}

/** When the month is over that a time lies in. */
export function nextMonthMs(timeMs: number): number {
  const time = new Date(timeMs)
  return Date.UTC(time.getUTCFullYear(), time.getUTCMonth() + 1)
}
