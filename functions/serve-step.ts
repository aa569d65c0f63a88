import * as z from 'zod'

import { workDependencies } from '../shared/dependencies/work.ts'
import type { WorkDependencies } from '../shared/dependencies/work.ts'
import { EpisodeId } from '../shared/episodes/inputs.ts'
import { runStep } from '../shared/episodes/workers/run-step.ts'
import type { StepWork } from '../shared/episodes/workers/work.ts'
import { PROVIDER_OF } from '../shared/episodes/steps.ts'
import type { StepName } from '../shared/episodes/steps.ts'
import type { EndpointSpec } from '../shared/http/endpoint.ts'
import type { Serve } from '../shared/http/arrival.ts'
import { serveEdge } from './serve-edge.ts'

/** A work function: one task in, one step attempt, 200 unless the task must be delivered again. */
export function serveStep(step: StepName, work: StepWork): Serve {
  const order = z.looseObject({
    episodeId: EpisodeId,
    step: z.literal(step),
    generation: z.int().min(1),
    dispatch: z.int().min(1),
  })
  const { episodes, objects, queue, breakers } = workDependencies()
  const provider = PROVIDER_OF[step]
  if (provider !== undefined) breakers[provider].warmUp()
  for (const client of [episodes, objects, queue]) client.preload()
  const spec: EndpointSpec<typeof order, WorkDependencies> = {
    input: order,
    async handle({ input: { episodeId, generation, dispatch }, signal }, needs) {
      return { status: 200, json: await runStep(needs, episodeId, { step, generation, dispatch }, work, signal) }
    },
  }
  return serveEdge(`work-${step}`, spec, workDependencies)
}
