import * as z from 'zod'

import { dependencies } from '../shared/dependencies/dependencies.ts'
import { loadWorkDependencies } from '../shared/dependencies/work.ts'
import type { WorkDependencies } from '../shared/dependencies/work.ts'
import { EpisodeId } from '../shared/episodes/inputs.ts'
import { runStep } from '../shared/episodes/workers/run-step.ts'
import type { StepWork } from '../shared/episodes/workers/work.ts'
import { PORT_OF } from '../shared/episodes/steps.ts'
import type { StepName } from '../shared/episodes/steps.ts'
import type { EndpointSpec } from '../shared/http/endpoint.ts'
import type { Serve } from '../shared/http/arrival.ts'
import { serveEdge } from './serve-edge.ts'

/**
 * A work function: one task in, one step attempt, 200 unless the task must be delivered again. Of the providers only
 * those behind the step's port are loaded.
 */
export async function serveStep(step: StepName, work: StepWork): Promise<Serve> {
  const order = z.looseObject({
    episodeId: EpisodeId,
    step: z.literal(step),
    generation: z.int().min(1),
    dispatch: z.int().min(1),
  })
  const { config, breakers, episodes, objects, queue } = dependencies()
  for (const client of [episodes, objects, queue]) client.preload()
  const port = PORT_OF[step]
  if (port !== undefined) for (const name of config.providerOrder[port]) breakers[name].warmUp()
  const built = await loadWorkDependencies(port === undefined ? [] : [port])
  const spec: EndpointSpec<typeof order, WorkDependencies> = {
    input: order,
    async handle({ input: { episodeId, generation, dispatch }, signal }, workDependencies) {
      const report = await runStep(workDependencies, episodeId, { step, generation, dispatch }, work, signal)
      return { status: 200, json: report }
    },
  }
  return serveEdge(`work-${step}`, spec, () => built)
}
