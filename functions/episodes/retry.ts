import * as z from 'zod'

import { retryEpisode } from '../../shared/episodes/actions.ts'
import { EpisodeId } from '../../shared/episodes/inputs.ts'
import { STEPS } from '../../shared/episodes/steps.ts'
import { viewOf } from '../../shared/episodes/view.ts'
import { serve } from '../serve.ts'

/** Goes on where the episode stopped; `from` names a finished step to be done again, with all that build on it. */
export default serve('episodes-retry', ['episodes', 'queue'], {
  input: z.strictObject({ episodeId: EpisodeId, from: z.enum(STEPS).optional() }),
  async handle({ userId, limits, input, operation }, dependencies) {
    const episode = await retryEpisode(dependencies, { userId, limits }, input.episodeId, operation, input.from)
    return { status: 202, json: { episode: viewOf(episode) } }
  },
})
