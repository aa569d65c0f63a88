import type { Problem } from './problem.ts'

/** What an attempt has cost at its provider: unit to amount. */
export type Cost = Readonly<Record<string, number>>

/** `unknown`: it was charged, and nobody knows how much. Undefined: nothing was charged, as far as it knows. */
export type AttemptCost = Cost | 'unknown' | undefined

/** What a paid call has cost: kept with what it has made, for whoever finds that later. */
export type Receipt = {
  /** Which attempt made it: its name, not its token. */
  readonly attempt: string
  readonly provider: string
  readonly cost: Cost
}

/**
 * How the paid call of an attempt ended. `unsent`: it was recorded and never made, so nothing can have been charged.
 * `ended`: its end was seen. `ambiguous`: it may have been carried out and charged, although its result is not here.
 * `unknown`: this attempt recorded none, and what became of an earlier one is as open as before.
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
 * What a step that waits knows of its fallback. `unknown`: nothing, as it was not tried to its end. `none`: it cannot be
 * had, and why. `only`: the provider is not asked again, and the fallback only waits for something of ours.
 */
export type FallbackFound =
  | { readonly kind: 'unknown' }
  | { readonly kind: 'none'; readonly why: string }
  | { readonly kind: 'only'; readonly because: WhyWithout }

/** Whether the provider is asked for a better result than the fallback's. */
export type UpgradePlan = { readonly kind: 'never' } | { readonly kind: 'later'; readonly afterMs: number }

/** How an attempt ended. Times are spans: whoever stores the outcome knows what time it is. */
export type Outcome =
  /** `by`: who did it. `degraded`: in words, what the result lacks, where it lacks something. */
  | { kind: 'done'; result: unknown; by: string | undefined; degraded: string | undefined }
  /** What was made before: this attempt made no call. `receipt`: of the call that made it, where that was the workflow's. */
  | { kind: 'adopted'; result: unknown; receipt?: Receipt | undefined }
  /** Without its provider. */
  | { kind: 'fellBack'; result: unknown; degraded: string; call: CallEnd; upgrade: UpgradePlan }
  /** The job goes on; `activity`: what the provider says it is at. */
  | { kind: 'polling'; afterMs: number; activity: string | undefined }
  /** A service cannot be used just now. */
  | {
      kind: 'waiting'
      service: string
      afterMs: number
      sinceMs: number
      problem: Problem
      call: CallEnd
      fallback: FallbackFound
      /** The provider has ended the job: there must be another. */
      job?: 'drop'
      /** How often what it could not fetch was there when we looked: once more, or not. */
      unfetched?: 0 | 1
      /** Its call was lost with the repeat that there may be: it is waited for until they count as ended. */
      callsLost?: true
    }
  /**
   * `job`: whether the job is asked for again, or the provider has ended it and there must be another. `because`: an
   * answer that nobody could read is asked for once more only.
   */
  | { kind: 'tryAgain'; afterMs: number; call: CallEnd; job: 'keep' | 'drop'; because: 'failed' | 'unreadable' }
  /** The provider is given up on, and the next in order is asked. `why`: in words for the workflow's owner. */
  | { kind: 'passedOver'; provider: string; call: CallEnd; why?: string }
  /** The same of a provider that is only away, and can be come back to. */
  | { kind: 'passedOverAway'; provider: string; call: CallEnd; awaySinceMs: number }
  /** The provider is away, and there is no other but those that were away before: they are asked again. */
  | { kind: 'cameBack'; provider: string; call: CallEnd; awaySinceMs: number }
  /** The provider is given up on, and there is no other but those that were only away: they are asked again. */
  | { kind: 'gaveBack'; provider: string; call: CallEnd; why?: string }
  /** The same where their calls were lost with the repeat that there may be: one is asked again after that. */
  | { kind: 'gaveBackLater'; provider: string; call: CallEnd; service: string; afterMs: number; problem: Problem }
  | { kind: 'failed'; problem: Problem; call: CallEnd }
