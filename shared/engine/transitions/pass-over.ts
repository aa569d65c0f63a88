import { without } from '../workflow.ts'
import type { Step } from '../workflow.ts'
import { closeCall, isSpent } from './paid-calls.ts'

/** The step without a provider that it has given up on: the next in order has attempts of its own. */
export function passOver(step: Step, provider: string, nowMs: number): Step {
  const left = leave(step, provider, nowMs)
  // One that was meant to be made, and may be there, must still be found.
  return step.job?.providerJobId === undefined ? { ...left, ...withLostJob(step, provider) } : left
}

/** The same with a provider that is only away. A job that it has is not made again. */
export function passOverAway(step: Step, provider: string, nowMs: number, awaySinceMs: number): Step {
  const away = withAway(step, provider, awaySinceMs)
  return { ...leave(step, provider, nowMs), away, ...withLostJob(step, provider) }
}

function leave(step: Step, provider: string, nowMs: number): Step {
  const free = without(step, 'job', 'unavailable', 'unreadable', 'unfetched', 'provider')
  return {
    ...free,
    attempt: 0,
    passedOver: [...(step.passedOver ?? []), provider],
    progressAtMs: nowMs,
    // What became of the call at that provider does not concern the next.
    ...closeCall(free),
  }
}

function withLostJob({ job, lostJobs = [] }: Step, provider: string): Pick<Step, 'lostJobs'> {
  return job === undefined ? {} : { lostJobs: [...lostJobs, { ...job, provider }] }
}

/**
 * Those that are only away, one more among them. Of a call whose end nobody saw there may be one repeat, also after the
 * step has been with others meanwhile; who has had that is not come back to.
 */
function withAway(step: Step, provider: string, awaySinceMs: number): NonNullable<Step['away']> {
  const { away, paid } = step
  const isOpen = paid?.open === true
  return {
    sinceMs: away?.sinceMs ?? awaySinceMs,
    providers: [...(away?.providers ?? []), ...(isSpent(step) ? [] : [provider])],
    open: [...(away?.open ?? []), ...(isOpen ? [provider] : [])],
  }
}

/** The step with its paid calls as they are at a provider that it comes back to. */
export function reopenCall(step: Step, provider: string): Step {
  const { away, paid } = step
  if (away?.open?.includes(provider) !== true || paid === undefined) return step
  return {
    ...step,
    paid: { ...paid, open: true },
    away: { ...away, open: away.open.filter((name) => name !== provider) },
  }
}

/** Those that a step has left because they were away, and can go back to. The one that it is with is not among them. */
export function awayFrom({ away }: Step): readonly string[] {
  return away?.providers ?? []
}

/** Those among them that are not gone back to for now: a call was lost there with the one repeat that there may be. */
export function findLostCalls(step: Step): readonly string[] {
  const free = awayFrom(step)
  return (step.away?.open ?? []).filter((name) => !free.includes(name))
}

/** The step without a provider that it has given up on, and back with one where its calls were lost. */
export function giveBackLost(step: Step, provider: string, nowMs: number, service: string): Step {
  return backWith([service], passOver(step, provider, nowMs))
}

/** The step without a provider that it has given up on, and back with those that were only away. */
export function giveBack(step: Step, provider: string, nowMs: number): Step {
  return backWith(awayFrom(step), passOver(step, provider, nowMs))
}

/** The step back with all that were only away, the one it leaves among them: one of them may have come back first. */
export function comeBack(step: Step, provider: string, nowMs: number, awaySinceMs: number): Step {
  return backWith(awayFrom(step), passOverAway(step, provider, nowMs, awaySinceMs))
}

function backWith(providers: readonly string[], left: Step): Step {
  const { away, passedOver = [] } = left
  const others = (names: readonly string[]) => names.filter((name) => !providers.includes(name))
  return {
    ...left,
    passedOver: others(passedOver),
    ...(away && { away: { ...away, providers: others(away.providers) } }),
  }
}
