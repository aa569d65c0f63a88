import type { Cost } from './outcome.ts'
import type { ProblemWords } from './problem.ts'

/**
 * Why an attempt failed, in the engine's words. Whoever composes the runner translates the errors of providers, stores
 * and breakers into these.
 */
export type Failure =
  /**
   * A service cannot be used just now, and comes back. `sent`: it was asked. `ambiguous`: it may have carried out what
   * it was asked. `retryAfterMs`: when it said to come back, 0 when it did not.
   */
  | {
      kind: 'away'
      service: string
      sent: boolean
      ambiguous: boolean
      retryAfterMs: number
      technical: string
    }
  /**
   * This request will not be granted, however often it is made now. `canPass`: the reason is not in what the workflow
   * asks for, so that the same may be granted later.
   */
  | { kind: 'refused'; ambiguous: boolean; words: ProblemWords; canPass: boolean; cost: Cost | undefined }
  /** The service has answered what nobody can read: asked once more it may answer better. `cost`: it charged for that. */
  | { kind: 'unreadable'; service: string; technical: string; cost: Cost | undefined }
  /** The provider has ended the job for a reason that is not in it: another may succeed. Ended jobs are not charged. */
  | { kind: 'jobEnded' }
  /**
   * The provider could not fetch from a service of ours what it was to work on, and has done and charged nothing.
   * `isAway`: we could not reach that service either.
   */
  | { kind: 'unfetched'; service: string; isAway: boolean; technical: string }
  /** Anything else: a defect of ours. */
  | { kind: 'unexpected'; ambiguous: boolean }

/** This workflow cannot be done without the provider; the message says why. */
export class NoFallback extends Error {
  override readonly name = 'NoFallback'
}

/** There is a fallback, and it cannot be taken at this moment: all places for it are taken. */
export class FallbackBusy extends Error {
  override readonly name = 'FallbackBusy'
}

/** A step has made what its own schema of results refuses: a defect of the step, and of that attempt only. */
export class UnreadableResult extends Error {
  override readonly name = 'UnreadableResult'

  constructor(step: string, cause: Error) {
    super(`the result of ${step} cannot be read: ${cause.message}`, { cause })
  }
}

/** The step belongs to another attempt now, or to nobody: whatever this one still does must change nothing. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
}

/** The attempt showed no progress for longer than it may: it is given up, whatever it still waits for. */
export class NoProgress extends Error {
  override readonly name = 'NoProgress'
}

/** The lease could not be renewed in time: this attempt may not send what another may be sending. */
export class NotEntitled extends Error {
  override readonly name = 'NotEntitled'
}

/** Thrown by a step: a service cannot be used just now, as it turned out on the way. */
export class ServiceAway extends Error {
  override readonly name = 'ServiceAway'
  readonly service: string

  constructor(service: string, message: string, cause: unknown) {
    super(message, { cause })
    this.service = service
  }
}

/** Thrown by a step: its provider could not fetch from a service of ours. */
export class Unfetched extends Error {
  override readonly name = 'Unfetched'
  readonly service: string
  readonly isAway: boolean

  /** @param isAway whether we could not reach that service either */
  constructor(service: string, isAway: boolean, message: string, cause?: unknown) {
    super(message, { cause })
    this.service = service
    this.isAway = isAway
  }
}

/** Thrown by a step: the provider has ended its job, and another may succeed. */
export class JobEnded extends Error {
  override readonly name = 'JobEnded'
}

/** Thrown by a step: it is not to be had from this provider, and why, in words for the workflow's owner. */
export class StepRefused extends Error {
  override readonly name = 'StepRefused'
  readonly words: ProblemWords
  readonly canPass: boolean

  /** @param canPass whether the same may be granted later */
  constructor(words: ProblemWords, { canPass }: { readonly canPass: boolean } = { canPass: false }) {
    super(words.technical_message ?? words.message)
    this.words = words
    this.canPass = canPass
  }
}

/** The name under which capacity of our own is waited for. */
const CAPACITY = 'capacity'

/** What the engine's own errors mean; undefined for an error that is not one of them. */
export function failureOfEngine(error: unknown): Failure | undefined {
  if (error instanceof JobEnded) return { kind: 'jobEnded' }
  if (error instanceof Unfetched) {
    const { service, isAway, message } = error
    return { kind: 'unfetched', service, isAway, technical: message }
  }
  if (error instanceof StepRefused)
    return { kind: 'refused', ambiguous: false, words: error.words, canPass: error.canPass, cost: undefined }
  const away = { kind: 'away', sent: true, ambiguous: false, retryAfterMs: 0 } as const
  if (error instanceof ServiceAway) return { ...away, service: error.service, technical: error.message }
  if (error instanceof FallbackBusy) return { ...away, service: CAPACITY, technical: error.message }
  return undefined
}
