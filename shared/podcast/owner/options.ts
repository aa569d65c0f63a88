import { stepOf, without } from '../../engine/workflow.ts'
import type { Step } from '../../engine/workflow.ts'
import type { StoredOptions } from '../content.ts'
import type { Options } from '../options.ts'
import type { Episode } from '../episode.ts'
import { PIPELINE } from '../pipeline.ts'
import type { StepName } from '../pipeline.ts'

/* What follows for an episode from other options than it had. */

/** The episode with new options in place of all that it had, and the steps whose results do not fit them any more. */
export type WithOptions = { readonly episode: Episode; readonly changed: readonly StepName[] }

/** @param upgradeAfterMs how long after a fallback its provider is asked again */
export function replaceOptions(
  episode: Episode,
  options: Options,
  { upgradeAfterMs, nowMs }: { readonly upgradeAfterMs: number; readonly nowMs: number },
): WithOptions {
  const before = episode.options
  const changed = PIPELINE.filter(
    (step) =>
      differ(step.dependsOn?.(before), step.dependsOn?.(options)) ||
      isForbidden(stepOf(episode, step.name), step.fallback, options),
  ).map(({ name }) => name)
  const steps = Object.fromEntries(
    Object.entries(episode.steps).map(([name, step]) => [name, scheduleUpgrade(step)]),
  ) as Episode['steps']
  return { episode: { ...episode, options, steps }, changed }

  /** A fallback's result is replaced later only where its owner wants that now. */
  function scheduleUpgrade(step: Step): Step {
    const { fallback } = step
    if (fallback === undefined) return step
    if (options.upgrade === false) return { ...step, fallback: without(fallback, 'nextTryAtMs') }
    if (before.upgrade !== false || fallback.tries > 0) return step
    return { ...step, fallback: { ...fallback, pauseMs: upgradeAfterMs, nextTryAtMs: nowMs + upgradeAfterMs } }
  }
}

function differ(before: unknown, after: unknown): boolean {
  return JSON.stringify(before) !== JSON.stringify(after)
}

/** What is there was made without its provider, which its owner does not allow any more. */
function isForbidden(step: Step, fallback: string | undefined, { fallbacks }: StoredOptions): boolean {
  if (step.fallback === undefined || fallbacks === undefined) return false
  return !fallbacks.some((allowed) => allowed === fallback)
}
