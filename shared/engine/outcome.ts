import type { Problem } from './problem.ts'

/** What an attempt has cost at its provider: unit to amount. */
export type Cost = Readonly<Record<string, number>>

/**
 * How the paid call of an attempt ended. `unsent`: it was never made, so nothing can have been charged. `ended`: its
 * end was seen. `ambiguous`: it may have been carried out and charged, although its result is not here. `unknown`:
 * this attempt made none, and what became of an earlier one is as open as before.
 */
export type CallEnd = 'unsent' | 'ended' | 'ambiguous' | 'unknown'

/**
 * Why a step does without its provider. `refusal`: the words for its owner, where the provider refused. `canPass`: the
 * provider may do better later.
 */
export type WhyWithout = {
  readonly why: 'away' | 'refused' | 'failed'
  readonly refusal?: string | undefined
  readonly canPass: boolean
}

/**
 * What an attempt to do without the provider has found out. `none`: it cannot be had, and why. `only`: the provider is
 * not asked again, and the fallback only waits for something of ours.
 */
type FallbackFound =
  { readonly kind: 'none'; readonly why: string } | { readonly kind: 'only'; readonly because: WhyWithout }

/** How an attempt ended. Times are spans: whoever stores the outcome knows what time it is. */
export type Outcome =
  /** `by`: who did it. `degraded`: in words, what the result lacks, where it lacks something. */
  | { kind: 'done'; result: unknown; by: string | undefined; degraded: string | undefined }
  /** The result that was made before: this attempt made no call. `call`: whether claiming the step had counted one. */
  | { kind: 'adopted'; result: unknown; call: 'unsent' | 'unknown' }
  /** Without its provider; that is asked for a better result after `upgradeAfterMs`, never when undefined. */
  | { kind: 'fellBack'; result: unknown; degraded: string; call: CallEnd; upgradeAfterMs: number | undefined }
  /** The job goes on; `activity`: what the provider says it is at. */
  | { kind: 'polling'; afterMs: number; activity: string | undefined }
  /** A service cannot be used just now. `fallback`: what is known by now of doing without the step's provider. */
  | {
      kind: 'waiting'
      service: string
      afterMs: number
      sinceMs: number
      problem: Problem
      call: CallEnd
      fallback: FallbackFound | undefined
    }
  /**
   * `job`: whether the job is asked for again, or the provider has ended it and there must be another. `because`: an
   * answer that nobody could read is asked for once more only.
   */
  | { kind: 'tryAgain'; afterMs: number; call: CallEnd; job: 'keep' | 'drop'; because: 'failed' | 'unreadable' }
  /**
   * The next provider in order is asked instead of this one. `awaySinceMs`: since when it is away, where that is why.
   * `comesBack`: there is no other but those that were away before.
   */
  | { kind: 'nextProvider'; provider: string; call: CallEnd; awaySinceMs: number | undefined; comesBack: boolean }
  | { kind: 'failed'; problem: Problem; call: CallEnd }
