import type { Problem } from './problem.ts'

/** What an attempt has cost at its provider: unit to amount. */
export type Cost = Readonly<Record<string, number>>

/**
 * How the paid call of an attempt ended. `unsent`: it was never made, so nothing can have been charged. `ended`: its
 * end was seen. `ambiguous`: it may have been carried out and charged, although its result is not here. `unknown`:
 * this attempt made none, and what became of an earlier one is as open as before.
 */
export type CallEnd = 'unsent' | 'ended' | 'ambiguous' | 'unknown'

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
  /** A service cannot be used just now. `noFallback`: why it turned out that the step cannot do without it. */
  | {
      kind: 'waiting'
      service: string
      afterMs: number
      sinceMs: number
      problem: Problem
      call: CallEnd
      noFallback: string | undefined
    }
  /** `job`: whether the job is asked for again, or the provider has ended it and there must be another. */
  | { kind: 'tryAgain'; afterMs: number; call: CallEnd; job: 'keep' | 'drop' }
  /** The next provider in order is asked instead of this one. */
  | { kind: 'nextProvider'; provider: string; call: CallEnd }
  | { kind: 'failed'; problem: Problem; call: CallEnd }
