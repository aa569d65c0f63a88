import { PLAN_NAMES } from '../config.ts'
import type { PlanName } from '../config.ts'

/** What one person may use; the names are those of usage-get. `Infinity`: as much as there is. */
export type Limits = {
  /** Of what the person brings: recordings and transcripts. What we make of them is not counted. */
  readonly storageBytes: number
  /** Episodes that were never processed. */
  readonly drafts: number
  /** Being processed at a time. */
  readonly activeEpisodes: number
  /** Finished in a calendar month (UTC), and being processed now. */
  readonly episodesThisMonth: number
  /** Of recording, in those episodes. */
  readonly minutesThisMonth: number
  /** Calls of our API; a sixth of them at once. */
  readonly requestsPerMinute: number
}

const GIB = 1024 ** 3

/** THE PLANS. A person's is the claim `plan` of their token, else DEFAULT_PLAN. */
export const PLANS = {
  starter: {
    storageBytes: 10 * GIB,
    drafts: 50,
    activeEpisodes: 5,
    episodesThisMonth: 50,
    minutesThisMonth: 3_000,
    requestsPerMinute: 600,
  },
  standard: {
    storageBytes: 1024 * GIB,
    drafts: 2_000,
    activeEpisodes: 500,
    episodesThisMonth: 10_000,
    minutesThisMonth: 600_000,
    requestsPerMinute: 6_000,
  },
  unlimited: {
    storageBytes: Infinity,
    drafts: Infinity,
    activeEpisodes: Infinity,
    episodesThisMonth: Infinity,
    minutesThisMonth: Infinity,
    requestsPerMinute: Infinity,
  },
} as const satisfies Record<PlanName, Limits>

/** The limits of a plan by the name a token gives it; a name we do not know is the default's. */
export function limitsOf(plan: string | undefined, fallback: PlanName): Limits {
  return isPlan(plan) ? PLANS[plan] : PLANS[fallback]
}

function isPlan(name: string | undefined): name is PlanName {
  return PLAN_NAMES.some((known) => known === name)
}
