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
  /** This one request will not be granted, however often it is made. */
  | { kind: 'refused'; ambiguous: boolean; words: ProblemWords }
  /** The provider has ended the job for a reason that is not in it: another may succeed. Ended jobs are not charged. */
  | { kind: 'jobEnded' }
  /** Anything else: an answer nobody can read, or a defect of ours. */
  | { kind: 'unexpected'; ambiguous: boolean }

/** This workflow cannot be done without the provider; the message says why. */
export class NoFallback extends Error {
  override readonly name = 'NoFallback'
}

/** There is a fallback, and it cannot be taken at this moment: all places for it are taken. */
export class FallbackBusy extends Error {
  override readonly name = 'FallbackBusy'
}

/** The step belongs to another attempt now, or to nobody: whatever this one still does must change nothing. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost'
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

/** Thrown by a step: the provider has ended its job, and another may succeed. */
export class JobEnded extends Error {
  override readonly name = 'JobEnded'
}

/** Thrown by a step: nothing of the workflow can be had for this reason, told in these words. */
export class StepRefused extends Error {
  override readonly name = 'StepRefused'
  readonly words: ProblemWords

  constructor(words: ProblemWords) {
    super(words.technical_message ?? words.message)
    this.words = words
  }
}

/** The name under which capacity of our own is waited for. */
const CAPACITY = 'capacity'

/** What the engine's own errors mean; undefined for an error that is not one of them. */
export function failureOfEngine(error: unknown): Failure | undefined {
  if (error instanceof JobEnded) return { kind: 'jobEnded' }
  if (error instanceof StepRefused) return { kind: 'refused', ambiguous: false, words: error.words }
  const away = { kind: 'away', sent: true, ambiguous: false, retryAfterMs: 0 } as const
  if (error instanceof ServiceAway) return { ...away, service: error.service, technical: error.message }
  if (error instanceof FallbackBusy) return { ...away, service: CAPACITY, technical: error.message }
  return undefined
}
