import { waitMs } from './gcra.ts'
import type { RatePolicy } from './gcra.ts'
import type { SharedRate } from './rate-limiter.ts'
import { RecentUsers } from './recent-users.ts'
import { QuotaExceeded } from './refusals.ts'

const DAY_MS = 24 * 3_600_000
/** So many are kept for one person; each for a day. */
const KEYS_PER_DAY = 20_000
const POLICY: RatePolicy = { requests: KEYS_PER_DAY, windowMs: DAY_MS, burst: KEYS_PER_DAY }
/** An instance takes so many ahead, and asks again when they are used up. */
const ALLOTMENT = 50
const TRADES_MAX = 4
const REFUSED_MS = 1_000

type Local = { left: number; refusedUntilMs: number; tradedAtMs: number; trading?: Promise<void> | undefined }

/**
 * How many Idempotency-Keys a person may use in a day, over all instances. Most checks cost no store call. Without the
 * store it lets everybody through: a key cannot be recorded then either.
 */
export class KeyBudget {
  readonly #shared: SharedRate
  readonly #nowMs: () => number
  readonly #users = new RecentUsers<Local>()

  /** @param nowMs a clock that only goes forward */
  constructor(shared: SharedRate, nowMs: () => number) {
    this.#shared = shared
    this.#nowMs = nowMs
  }

  /** Uses one. @throws QuotaExceeded */
  async use(userId: string): Promise<void> {
    const local = this.#users.recall(userId, () => ({ left: 0, refusedUntilMs: 0, tradedAtMs: 0 }))
    // Who came while others were being counted may find nothing left of what was taken for them.
    for (let tries = 0; tries < TRADES_MAX && local.left === 0 && this.#nowMs() >= local.refusedUntilMs; tries++) {
      local.trading ??= this.#trade(userId, local).finally(() => (local.trading = undefined))
      await local.trading
    }
    if (local.left > 0) return void local.left--
    if (this.#nowMs() >= local.refusedUntilMs) return
    const refusal = { quota: 'idempotencyKeys', used: KEYS_PER_DAY, limit: KEYS_PER_DAY, asked: 1 } as const
    throw new QuotaExceeded(refusal, local.tradedAtMs)
  }

  async #trade(userId: string, local: Local): Promise<void> {
    try {
      // Nobody's id is a list.
      const { taken, arrivalMs, nowMs } = await this.#shared.trade(
        JSON.stringify(['keys', userId]),
        POLICY,
        0,
        ALLOTMENT,
      )
      local.left = taken
      local.tradedAtMs = nowMs
      if (taken === 0) local.refusedUntilMs = this.#nowMs() + Math.max(REFUSED_MS, waitMs(arrivalMs, POLICY, nowMs, 1))
    } catch {
      // Whoever is let through now is told by the record of their key that the store is away.
    }
  }
}
