import type { Config } from '../../config.ts'
import { AppError } from '../../errors/app-error.ts'
import { errorFields, log } from '../../telemetry/log.ts'
import type { Outcome } from '../machine.ts'
import type { EpisodeFault } from '../schema.ts'
import { AMBIGUOUS_REPEATS_MAX, ATTEMPTS_MAX, FALLBACK_OF } from '../steps.ts'
import type { StepName } from '../steps.ts'
import type { Run } from '../upgrade.ts'
import { outcomeOfFailure, unavailableService } from './failures.ts'
import { FallbackBusy, NoFallback, providersOf } from './work.ts'
import type { StepWork, Work } from './work.ts'

type Unavailable = Extract<Outcome, { kind: 'unavailable' }>
type TryAgain = Extract<Outcome, { kind: 'tryAgain' }>

/** Whether a step may do without its provider: the owner, the configuration and the recording all have a say. */
export function mayFallBack(episode: Run, name: StepName, config: Pick<Config, 'fallbacks'>): boolean {
  const fallback = FALLBACK_OF[name]
  if (fallback === undefined || episode.replaces !== undefined || episode.steps[name].noFallback !== undefined)
    return false
  return config.fallbacks.includes(fallback) && (episode.options.fallbacks ?? config.fallbacks).includes(fallback)
}

/** The outcome of an attempt that failed, or the fallback's where the provider has had its time or all its attempts. */
export async function orFallBack(work: Work, step: StepWork, outcome: Outcome): Promise<Outcome> {
  const { dependencies, episode, name } = work
  if (episode.replaces !== undefined) return orLeaveIt(work, outcome)
  if (step.fallBack === undefined || !mayFallBack(episode, name, dependencies.config)) return outcome
  if (outcome.kind === 'tryAgain') return work.step.attempt < ATTEMPTS_MAX ? outcome : fallenBack(work, step, outcome)
  if (outcome.kind !== 'unavailable' || !providersOf(dependencies, name).includes(outcome.provider)) return outcome
  // A call may have hung for long before it was known that the provider cannot be used.
  const sinceMs = work.step.unavailable?.sinceMs ?? work.startedAtMs
  const fallbackAtMs = sinceMs + dependencies.config.fallbackAfterMs
  const waiting = { ...outcome, sinceMs, fallbackAtMs }
  return dependencies.now() < fallbackAtMs ? waiting : fallenBack(work, step, waiting)
}

/** What there is stays as it is when its provider is still away: nobody waits for an upgrade. */
function orLeaveIt({ dependencies, name }: Work, outcome: Outcome): Outcome {
  if (outcome.kind !== 'unavailable' || !providersOf(dependencies, name).includes(outcome.provider)) return outcome
  const { fault, sent, ambiguous } = outcome
  return { kind: 'failed', fault, call: { sent, ambiguous } }
}

/** The provider has had all its attempts. */
export async function withoutProvider(work: Work, step: StepWork, giveUp: EpisodeFault): Promise<Outcome> {
  try {
    return await taken(work, step)
  } catch (error) {
    if (error instanceof NoFallback) return { kind: 'failed', fault: giveUp }
    if (error instanceof FallbackBusy) return outcomeOfFailure(work, new AppError('service_unavailable'))
    throw error
  }
}

async function fallenBack(work: Work, step: StepWork, outcome: Unavailable | TryAgain): Promise<Outcome> {
  const { ambiguous } = outcome
  try {
    return await taken(work, step, { ambiguous, sent: outcome.kind === 'tryAgain' || outcome.sent })
  } catch (error) {
    // Storage that is away comes back; whatever else went wrong would go wrong again.
    if (work.signal.aborted || unavailableService(error) !== undefined) throw error
    if (error instanceof FallbackBusy) return outcome
    const reason = error instanceof NoFallback ? error.message : 'doing without the provider failed'
    log('WARNING', 'step.no_fallback', { episodeId: work.episode.id, step: work.name, error: errorFields(error) })
    return outcome.kind === 'tryAgain' ? outcome : { ...outcome, noFallback: reason }
  }
}

async function taken(work: Work, step: StepWork, call?: { sent: boolean; ambiguous: boolean }): Promise<Outcome> {
  const { dependencies, episode, name } = work
  if (step.fallBack === undefined) throw new NoFallback('there is none for this step')
  const { results, degraded } = await step.fallBack(work)
  log('NOTICE', 'step.fell_back', { episodeId: episode.id, step: name, provider: providersOf(dependencies, name)[0] })
  const { paid } = work.step
  // One repeat of a call whose end nobody saw is all that may ever be made.
  const mayAskAgain = paid === undefined || !paid.open || paid.repeats < AMBIGUOUS_REPEATS_MAX
  const upgrades = episode.options.upgrade !== false && mayAskAgain
  return {
    kind: 'done',
    results,
    degraded,
    fallsBack: true,
    ...(call && { call }),
    ...(upgrades && { upgradeAfterMs: dependencies.config.upgradeAfterMs }),
  }
}
