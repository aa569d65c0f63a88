import { without } from '../workflow.ts'
import type { Step } from '../workflow.ts'
import { closeCall } from './paid-calls.ts'

/** The step without a provider that it has given up on: the next in order has attempts of its own. */
export function passOver(step: Step, provider: string, nowMs: number): Step {
  const { job, passedOver = [], lostJobs = [] } = step
  const free = without(step, 'job', 'unavailable', 'unreadable', 'provider')
  return {
    ...free,
    attempt: 0,
    passedOver: [...passedOver, provider],
    progressAtMs: nowMs,
    // What became of the call at that provider does not concern the next.
    ...closeCall(free),
    // One that was meant to be made, and may be there, must still be found when everything is removed.
    ...(job !== undefined && job.providerJobId === undefined && { lostJobs: [...lostJobs, { ...job, provider }] }),
  }
}
