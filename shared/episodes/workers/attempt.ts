import type { WorkDependencies } from '../../dependencies/work.ts'
import { AppError } from '../../errors/app-error.ts'
import { errorFields, log } from '../../telemetry/log.ts'
import { byAttempt } from '../history.ts'
import { letGo, note } from '../machine.ts'
import type { Charge, Claimed, Fence, Outcome } from '../machine.ts'
import type { EpisodeFault, Step } from '../schema.ts'
import { ENTITLED_SHARE, HEARTBEAT_SHARE, PAID_CALL_STEPS } from '../steps.ts'
import { inRun } from '../upgrade.ts'
import { orFallBack, withoutProvider } from './fall-back.ts'
import { outcomeOfFailure } from './failures.ts'
import { LeaseLost } from './work.ts'
import type { StepWork, Work } from './work.ts'

/** Works on a claimed step under its lease, which is renewed meanwhile. @returns undefined when it was lost on the way */
export async function attempt(
  dependencies: WorkDependencies,
  claimed: Extract<Claimed, { kind: 'claimed' }> & { askedAtMs: number },
  step: StepWork,
  requestSignal: AbortSignal,
  fields: Record<string, unknown>,
): Promise<Outcome | undefined> {
  const { fence, resumesIntent } = claimed
  const { episode } = claimed.moved
  const lost = new AbortController()
  let charge: Charge | undefined
  let doing: string | undefined
  let renewedAtMs = claimed.askedAtMs
  const signal = AbortSignal.any([requestSignal, lost.signal])
  const record = async (job: Partial<NonNullable<Step['job']>>) => {
    const askedAtMs = performance.now()
    const decision = await dependencies.episodes.move(episode.id, (current) => {
      const nowMs = dependencies.now()
      const untilMs = nowMs + dependencies.config.stepLeaseMs
      const moved = inRun(current, fence.generation, (run) => note(run, fence, job, untilMs, nowMs, doing))
      return { episode: moved?.episode, cause: { by: byAttempt(fence.token) } }
    })
    if (decision?.episode === undefined) {
      lost.abort(new LeaseLost('the step is held by another attempt'))
      throw lost.signal.reason
    }
    renewedAtMs = askedAtMs
  }
  // An instance that was frozen, or could not renew its lease, must not send what another may be sending.
  const stillEntitled = () => {
    if (performance.now() - renewedAtMs > dependencies.config.stepLeaseMs * ENTITLED_SHARE)
      throw new AppError('internal_error', { technical: 'The lease could not be renewed in time' })
  }
  const heartbeat = setInterval(() => {
    record({}).catch((error: unknown) => {
      if (!(error instanceof LeaseLost))
        log('WARNING', 'step.heartbeat_failed', { ...fields, error: errorFields(error) })
    })
  }, dependencies.config.stepLeaseMs * HEARTBEAT_SHARE)
  log('INFO', 'step.started', { ...fields, attempt: episode.steps[fence.step].attempt, resumesIntent })
  const work: Work = {
    dependencies,
    episode,
    name: fence.step,
    step: episode.steps[fence.step],
    signal,
    call: { signal, correlationId: episode.id, random: dependencies.random, stillEntitled },
    resumesIntent,
    startedAtMs: dependencies.now(),
    noteJob: record,
    charged: (provider, cost) => void (charge = { provider, cost }),
    wasCharged: () => charge !== undefined,
    at: (what) => void (doing = what),
  }
  try {
    const outcome = await worked(work, step, claimed.onlyFallback)
    return { charge, ...outcome }
  } catch (error) {
    if (lost.signal.aborted || error instanceof LeaseLost) return undefined
    if (requestSignal.aborted) {
      await release(dependencies, episode.id, fence, charge !== undefined)
      throw new AppError('timeout', { technical: 'The worker ran out of time', cause: error })
    }
    return { charge, ...outcomeOfFailure(work, error) }
  } finally {
    clearInterval(heartbeat)
  }
}

/** The result: what an earlier attempt left, else the provider's, else what can be had without it. */
async function worked(work: Work, step: StepWork, onlyFallback: EpisodeFault | undefined): Promise<Outcome> {
  const found = work.resumesIntent ? await step.adopt?.(work) : undefined
  if (found !== undefined) return found
  if (onlyFallback !== undefined) return withoutProvider(work, step, onlyFallback)
  try {
    return await step.run(work)
  } catch (error) {
    if (work.signal.aborted) throw error
    return orFallBack(work, step, outcomeOfFailure(work, error))
  }
}

/** Lets the next delivery go on at once, unless a paid call may have gone through: that one waits for the lease. */
async function release(
  dependencies: WorkDependencies,
  episodeId: string,
  fence: Fence,
  charged: boolean,
): Promise<void> {
  if (charged || PAID_CALL_STEPS.has(fence.step)) return
  const given = dependencies.episodes.move(episodeId, (episode) => ({
    episode: inRun(episode, fence.generation, (run) => letGo(run, fence, dependencies.now()))?.episode,
    cause: { by: byAttempt(fence.token), why: 'its instance is ending' },
  }))
  await given.catch(() => undefined)
}
