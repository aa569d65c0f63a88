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
  /** Granted, and not yet seen in an episode: expires by itself, so that nothing a crash leaves behind is kept. */
  pending: z.record(z.string(), Pending).default({}),
})
export type Usage = z.infer<typeof Usage>

/** Reservations that a document holds; each upload has one for a day. */
const PENDING_MAX = 2_000

/** What is asked for: room for a recording, or for one more episode at work; and for how long, from when it is granted. */
export type ReservationRequest = { id: string; bytes?: number; episodes?: number; seconds?: number; lastsMs: number }

type Quota = Exclude<keyof Limits, 'requestsPerMinute'>
/** What is bounded for everybody alike, whatever their plan. */
type Bound = 'unfinishedUploads' | 'idempotencyKeys'
export type Refusal = { quota: Quota | Bound; used: number; limit: number; asked: number }

/** Reservations that have not expired. */
function pendingAt({ pending }: Usage, nowMs: number): Usage['pending'] {
  return Object.fromEntries(Object.entries(pending).filter(([, { untilMs }]) => untilMs > nowMs))
}

/** Used and reserved, by the names of the limits. */
export function totals(usage: Usage, nowMs: number): Record<Quota, number> {
  const pending = Object.values(pendingAt(usage, nowMs))
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

/** Grants a reservation and records it, or says which limit is in its way. Asked again under one id it is one reservation. */
export function reserve(usage: Usage, request: ReservationRequest, limits: Limits, nowMs: number): Usage | Refusal {
  const { [request.id]: _former, ...others } = pendingAt(usage, nowMs)
  const without = { ...usage, pending: others }
  const { id, bytes = 0, episodes = 0, seconds = 0, lastsMs } = request
  const used = totals(without, nowMs)
  const asked: Record<Quota, number> = {
    storageBytes: bytes,
    drafts: 0,
    activeEpisodes: episodes,
    episodesThisMonth: episodes,
    minutesThisMonth: seconds / 60,
  }
  for (const quota of Object.keys(asked) as Quota[])
    if (asked[quota] > 0 && used[quota] + asked[quota] > limits[quota])
      return { quota, used: used[quota], limit: limits[quota], asked: asked[quota] }
  const count = Object.keys(others).length
  if (count >= PENDING_MAX) return { quota: 'storageBytes', used: count, limit: PENDING_MAX, asked: 1 }
  return { ...without, pending: { ...others, [id]: { bytes, episodes, seconds, untilMs: nowMs + lastsMs } } }
}

export function isRefusal(answer: Usage | Refusal): answer is Refusal {
  return 'quota' in answer
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

/** The limit that is in the way of a change, if one is; what becomes less is never refused. */
export function refuseGrowth(
  usage: Usage,
  change: UsageChange | undefined,
  limits: Pick<Limits, 'storageBytes' | 'drafts'>,
  nowMs: number,
): Refusal | undefined {
  const used = totals(usage, nowMs)
  for (const quota of ['storageBytes', 'drafts'] as const) {
    const asked = change?.[quota] ?? 0
    if (asked > 0 && used[quota] + asked > limits[quota])
      return { quota, used: used[quota], limit: limits[quota], asked }
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
