import type { Decision } from './after-failure.ts'
import { ATTEMPTS_MAX } from './limits.ts'
import type { Outcome } from './outcome.ts'

/** Why a step is to fall back, and what it comes to otherwise. */
export type FallBack = Omit<Extract<Decision, { next: 'fallBack' }>, 'next'>

/** A fallback that has failed, and all that what follows depends on. */
export type FailedFallback = FallBack & {
  /** `none`: the step says that there is none for this workflow, and why. */
  readonly found: { readonly kind: 'none'; readonly why: string } | { readonly kind: 'broken' }
  /** What its error comes to by itself, with neither a fallback nor another provider. */
  readonly failed: Outcome
  readonly attempt: number
}

/** What follows where a step could not fall back: waiting, another attempt, or what it comes to otherwise. */
export function afterFallback({ call, because, otherwise, found, failed, attempt }: FailedFallback): Outcome {
  // Storage that is away comes back, and so does room; whatever else went wrong would go wrong again.
  if (failed.kind === 'waiting') {
    const isOver = otherwise.kind === 'failed'
    return { ...failed, call, fallback: isOver ? { kind: 'only', because } : { kind: 'unknown' } }
  }
  if (otherwise.kind === 'waiting') {
    const why = found.kind === 'none' ? found.why : 'doing without the provider failed'
    return { ...otherwise, fallback: { kind: 'none', why } }
  }
  const mayTryAgain = found.kind === 'broken' && attempt < ATTEMPTS_MAX
  return mayTryAgain && failed.kind === 'tryAgain' ? { ...failed, call } : otherwise
}
