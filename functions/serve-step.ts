import * as z from 'zod'

import { dependencies } from '../shared/dependencies/dependencies.ts'
import { breakerOf } from '../shared/dependencies/providers.ts'
import { stepRunner } from '../shared/dependencies/engine.ts'
import { loadWorkDependencies } from '../shared/dependencies/work.ts'
import type { WorkDependencies } from '../shared/dependencies/work.ts'
import { RedeliverTask } from '../shared/engine/redeliver.ts'
import type { EndpointSpec } from '../shared/http/endpoint.ts'
import type { Serve } from '../shared/http/arrival.ts'
import { EpisodeId } from '../shared/podcast/inputs.ts'
import { stepNamed } from '../shared/podcast/pipeline.ts'
import type { StepName } from '../shared/podcast/pipeline.ts'
import { log } from '../shared/telemetry/log.ts'
import { serveEdge } from './serve-edge.ts'

/** How often Cloud Tasks has delivered a task before, as it says itself. */
const RETRY_COUNT_HEADER = 'X-CloudTasks-TaskRetryCount'

/**
 * A work function: one task in, one step attempt, 200 unless the task must be delivered again. Of the providers only
 * those behind the step's port are loaded.
 */
export async function serveStep(step: StepName): Promise<Serve> {
  const task = z.looseObject({
    episodeId: EpisodeId,
    step: z.literal(step),
    generation: z.int().min(1),
    dispatch: z.int().min(1),
  })
  const { config, breakers, episodes, objects, queue } = dependencies()
  for (const client of [episodes, objects, queue]) client.preload()
  const { prepare, port } = stepNamed(step)
  await prepare?.(config)
  if (port !== undefined) for (const name of config.providerOrder[port]) breakers[breakerOf(name, port)]?.warmUp()
  const work = await loadWorkDependencies(port === undefined ? [] : [port])
  const runner = stepRunner(work)
  const spec: EndpointSpec<typeof task, WorkDependencies> = {
    input: task,
    async handle({ input: { episodeId, generation, dispatch }, signal, header }) {
      const retries = Number(header(RETRY_COUNT_HEADER) ?? 0)
      if (retries > 0) log('NOTICE', 'step.redelivered', { episodeId, step, generation, dispatch, retries })
      const end = await runner.run(episodeId, { step, generation, dispatch }, signal)
      if (end.kind === 'busy') throw new RedeliverTask('Another attempt holds this step; deliver the task again')
      if (end.kind === 'interrupted') throw new RedeliverTask('The worker ran out of time')
      return { status: 200, json: end }
    },
  }
  return serveEdge(`work-${step}`, spec, () => work)
}
