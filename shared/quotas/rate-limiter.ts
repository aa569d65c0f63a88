import { available, perMinute, take, waitMs } from './gcra.ts'
import type { RatePolicy } from './gcra.ts'
import { RecentUsers } from './recent-users.ts'

/** The rate that all instances share. Times are the store's own: a clock that is off takes nobody's calls away. */
export type SharedRate = {
  /**
   * Gives back what was not used and takes up to `wanted` calls.
   * @returns `arrivalMs` and `nowMs` by the store's clock
   */
  trade(
    userId: string,
    policy: RatePolicy,
    unused: number,
    wanted: number,
  ): Promise<{ taken: number; arrivalMs: number; nowMs: number }>
}

/** Whether a call may be made, and what is left: fields of RateLimit and Retry-After. */
export type RateDecision = { allowed: boolean; remaining: number; resetSeconds: number; retryAfterSeconds: number }

/** Calls an instance takes ahead serve it for so long, at its pace; then what is left of them goes back. */
const AHEAD_MS = 5_000
const ALLOTMENT_MS = 20_000
const ALLOTMENT_MIN = 4
/** Of what is left for all, one instance takes at most this share at once. */
const ALLOTMENT_SHARE = 1 / 8
/** Who is refused is told to wait whole seconds; within the first nobody is asked again. */
const REFUSED_MS = 1_000
const RENEWALS_MAX = 4
/** A store that did not answer is left alone for so long. */
const STORE_PAUSE_MS = 2_000

type Local = {
  allotment: number
  untilMs: number
  /** The shared rate as it was seen last, on this instance's clock. */
  seen: { arrivalMs: number; offsetMs: number }
  refusedUntilMs: number
  passed: number
  sinceMs: number
  waiting: number
  syncing?: Promise<void> | undefined
  /** While the store is away: this instance's own count. */
  alone?: { arrivalMs: number; untilMs: number } | undefined
}

/**
 * Calls per person and minute, over all instances. An instance takes a few calls ahead from the shared rate and counts
 * them down by itself: most checks cost no store call, and no more ever pass than were taken. A refusal is
 * remembered until it is over. Without the store each instance goes by its own count of the whole rate.
 */
export class RateLimiter {
  readonly #shared: SharedRate
  readonly #nowMs: () => number
  readonly #onTrouble: (error: unknown) => void
  readonly #users = new RecentUsers<Local>()

  /** @param nowMs a clock that only goes forward */
  constructor(shared: SharedRate, nowMs: () => number, onTrouble: (error: unknown) => void) {
    this.#shared = shared
    this.#nowMs = nowMs
    this.#onTrouble = onTrouble
  }

  async take(userId: string, requestsPerMinute: number): Promise<RateDecision> {
    const policy = perMinute(requestsPerMinute)
    const local = this.#localOf(userId)
    // Who came while others were being counted may find nothing left of what was taken for them.
    for (let tries = 0; tries < RENEWALS_MAX && this.#mustRenew(local); tries++)
      await this.#renew(userId, local, policy)
    const nowMs = this.#nowMs()
    if (local.alone !== undefined) return this.#takeAlone(local, local.alone, policy, nowMs)
    if (local.allotment === 0) return answerRefused(local, policy, nowMs)
    local.allotment--
    local.passed++
    return answerPassed(local, policy, nowMs)
  }

  #localOf(userId: string): Local {
    return this.#users.recall(userId, () => ({
      allotment: 0,
      untilMs: 0,
      seen: { arrivalMs: 0, offsetMs: 0 },
      refusedUntilMs: 0,
      passed: 0,
      sinceMs: this.#nowMs(),
      waiting: 0,
    }))
  }

  #mustRenew(local: Local): boolean {
    const nowMs = this.#nowMs()
    if (local.alone !== undefined && nowMs < local.alone.untilMs) return false
    if (local.allotment > 0) return local.untilMs <= nowMs
    // What was refused is refused until calls have come back, without asking anybody.
    return nowMs >= local.refusedUntilMs
  }

  /** Takes the next calls ahead; who comes meanwhile waits for the same answer. */
  async #renew(userId: string, local: Local, policy: RatePolicy): Promise<void> {
    local.waiting++
    local.syncing ??= this.#tradeAllotment(userId, local, policy).finally(() => (local.syncing = undefined))
    await local.syncing
    local.waiting--
  }

  async #tradeAllotment(userId: string, local: Local, policy: RatePolicy): Promise<void> {
    // Those who come in this very moment are counted in.
    await Promise.resolve()
    const askedMs = this.#nowMs()
    const unused = local.allotment
    const pace = local.passed / Math.max(1000, askedMs - local.sinceMs)
    const left = available(local.seen.arrivalMs, policy, askedMs + local.seen.offsetMs)
    const most = Math.max(1, Math.floor(left * ALLOTMENT_SHARE))
    const wanted = Math.ceil(Math.max(local.waiting, Math.min(most, Math.max(ALLOTMENT_MIN, pace * AHEAD_MS))))
    local.allotment = 0
    try {
      const { taken, arrivalMs, nowMs } = await this.#shared.trade(userId, policy, unused, wanted)
      local.alone = undefined
      local.allotment = taken
      local.untilMs = this.#nowMs() + ALLOTMENT_MS
      local.seen = { arrivalMs, offsetMs: nowMs - this.#nowMs() }
      local.passed = 0
      local.sinceMs = askedMs
      if (taken < wanted)
        local.refusedUntilMs = this.#nowMs() + Math.max(REFUSED_MS, waitMs(arrivalMs, policy, nowMs, 1))
    } catch (error) {
      this.#onTrouble(error)
      local.alone = { arrivalMs: local.alone?.arrivalMs ?? 0, untilMs: this.#nowMs() + STORE_PAUSE_MS }
    }
  }

  #takeAlone(local: Local, alone: NonNullable<Local['alone']>, policy: RatePolicy, nowMs: number): RateDecision {
    const { arrivalMs, taken } = take(alone.arrivalMs, policy, nowMs, 1)
    local.alone = { ...alone, arrivalMs }
    return describe({ allowed: taken === 1, arrivalMs, ahead: 0 }, policy, nowMs)
  }
}

function answerPassed({ seen, allotment }: Local, policy: RatePolicy, nowMs: number): RateDecision {
  return describe({ allowed: true, ...seen, ahead: allotment }, policy, nowMs + seen.offsetMs)
}

function answerRefused({ seen }: Local, policy: RatePolicy, nowMs: number): RateDecision {
  return describe({ allowed: false, ...seen, ahead: 0 }, policy, nowMs + seen.offsetMs)
}

/** @param state `ahead`: calls that were taken ahead and not used yet */
function describe(
  { allowed, arrivalMs, ahead }: { allowed: boolean; arrivalMs: number; ahead: number },
  policy: RatePolicy,
  nowMs: number,
): RateDecision {
  const remaining = allowed ? Math.min(policy.burst, available(arrivalMs, policy, nowMs) + ahead) : 0
  const seconds = (ms: number) => Math.max(1, Math.ceil(ms / 1000))
  return {
    allowed,
    remaining,
    resetSeconds: seconds(waitMs(arrivalMs, policy, nowMs, policy.burst)),
    retryAfterSeconds: seconds(waitMs(arrivalMs, policy, nowMs, 1)),
  }
}
