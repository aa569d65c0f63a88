import { randomUUID } from 'node:crypto'

import { failureOfEngine } from '../engine/failure.ts'
import type { Failure } from '../engine/failure.ts'
import type { Clock, Tell } from '../engine/ports.ts'
import { StepRunner } from '../engine/runner.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import type { Episode } from '../podcast/episode.ts'
import { SourceFailed } from '../podcast/errors.ts'
import { stopJobs } from '../podcast/jobs.ts'
import { PIPELINE } from '../podcast/pipeline.ts'
import type { PortLists, PortName, Ports } from '../podcast/ports.ts'
import type { Tools } from '../podcast/tools.ts'
import { newWebhookToken } from '../podcast/webhook-token.ts'
import { failureOfCall } from '../providers/failure.ts'
import { errorFields, log } from '../telemetry/log.ts'
import { outboundPools } from '../telemetry/pools.ts'
import { engineSettings } from './engine-settings.ts'
import type { WorkDependencies } from './work.ts'

/* The engine, as this product and this platform use it. */

/** The runner of a function that works on steps. */
export function stepRunner(work: WorkDependencies): StepRunner<Episode, Tools> {
  const { config, episodes, queue, random } = work
  return new StepRunner<Episode, Tools>({
    pipeline: PIPELINE,
    store: episodes,
    queue,
    clock: systemClock,
    random,
    newId: randomUUID,
    newWebhookToken: (episodeId) => newWebhookToken(config.webhookSecrets, episodeId),
    settings: engineSettings(config),
    providersOf: (name, episode) => providersOf(work, name, episode),
    allowsFallback: ({ options }, fallback) =>
      [config.fallbacks, options.fallbacks ?? config.fallbacks].every((allowed) =>
        allowed.some((one) => one === fallback),
      ),
    wantsUpgrade: ({ options }) => options.upgrade !== false,
    explain,
    // Only the function that works on such a step can speak to its provider.
    afterStale: (episode, name, signal) =>
      PIPELINE.some((step) => step.name === name && step.stoppable === true)
        ? stopJobs(work, episode, { signal, correlationId: episode.id, random })
        : Promise.resolve(),
    tell,
    tools: toolsOf(work),
  })
}

function toolsOf(work: WorkDependencies): Tools {
  const { config, objects, notesCache, transcribers, writers, speakers, masterings } = work
  return {
    objects,
    notesCache,
    transcribers,
    writers,
    speakers,
    masterings,
    safetyPollMs: config.safetyPollMs,
    ffmpegPath: config.ffmpegPath,
    webhookUrl(provider, episodeId) {
      const url = new URL(`${config.webhooksBaseUrl}/hooks-${provider}`)
      url.searchParams.set('episodeId', episodeId)
      return url.href
    },
  }
}

/** Those that can do the step for this episode. Where none can, all: they say why in their own words. */
function providersOf(ports: PortLists, name: string, episode: Episode) {
  const step = PIPELINE.find((one) => one.name === name)
  if (step?.port === undefined) return []
  const all: readonly Ports[PortName][] = ports[step.port]
  const suiting = all.filter((provider) => step.suits?.(episode, provider) ?? true)
  return suiting.length > 0 ? suiting : all
}

/** What it means that a step, a store or a queue has thrown this. */
export function explain(error: unknown): Failure {
  if (error instanceof ServiceUnavailable) {
    const { service, technical, retryAfterMs = 0 } = error
    return { kind: 'away', service, sent: true, ambiguous: false, retryAfterMs, technical }
  }
  // What a step stores comes from our storage, unless the step has said otherwise.
  if (error instanceof SourceFailed)
    return { kind: 'away', service: 'gcs', sent: true, ambiguous: false, retryAfterMs: 0, technical: error.technical }
  return failureOfEngine(error) ?? failureOfCall(error) ?? { kind: 'unexpected', ambiguous: false }
}

const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  sleep: (delayMs) => new Promise((resolve) => setTimeout(resolve, delayMs)),
  every(periodMs, callback) {
    const timer = setInterval(callback, periodMs)
    return () => clearInterval(timer)
  },
}

/** The engine's events as lines of the log, in this product's words. */
export const tell: Tell = (severity, event, fields) => {
  const { workflowId, error, ...rest } = fields
  log(severity, event.replace(/^workflow\./, 'episode.'), {
    ...(workflowId !== undefined && { episodeId: workflowId }),
    ...rest,
    ...(error !== undefined && { error: error instanceof Error ? errorFields(error) : error }),
    ...(event === 'step.settled' && { pools: outboundPools() }),
  })
}
