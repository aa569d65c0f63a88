import * as z from 'zod'

import { EpisodeId } from '../shared/episodes/inputs.ts'
import { runStep } from '../shared/episodes/workers/run-step.ts'
import type { Worker } from '../shared/episodes/workers/work.ts'
import type { StepName } from '../shared/episodes/steps.ts'
import type { Serve } from '../shared/http/server.ts'
import { serve } from './serve.ts'

/** A work function: one task in, one step attempt, 200 unless the task must be delivered again. */
export function serveStep(step: StepName, worker: Worker): Serve {
  const order = z.looseObject({
    episodeId: EpisodeId,
    step: z.literal(step),
    generation: z.int().min(1),
    dispatch: z.int().min(1),
  })
  return serve(`work-${step}`, ['episodes', 'objects', 'queue'], {
    input: order,
    async handle({ input: { episodeId, generation, dispatch }, signal }, needs) {
      return { status: 200, json: await runStep(needs, episodeId, { step, generation, dispatch }, worker, signal) }
    },
  })
}
