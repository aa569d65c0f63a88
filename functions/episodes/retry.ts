import * as z from 'zod'

import { retryEpisode } from '../../shared/podcast/owner/retry.ts'
import { Options } from '../../shared/podcast/options.ts'
import { EpisodeId } from '../../shared/podcast/inputs.ts'
import { STEP_NAMES } from '../../shared/podcast/pipeline.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { serve } from '../serve.ts'

/**
 * Goes on where the episode stopped. `options` replace all that it had: what they concern is done again, what is paid for
 * and still fits is kept. A ready episode is made anew only where they concern it. `from` names a finished step to be done again, with all that build on it.
 */
export default serve('episodes-retry', ['episodes', 'queue'], {
  input: z.strictObject({ episodeId: EpisodeId, options: Options.optional(), from: z.enum(STEP_NAMES).optional() }),
  async handle({ userId, limits, input, operation }, dependencies) {
    const episode = await retryEpisode(dependencies, { userId, limits }, input, operation)
    return { status: 202, json: { episode: viewOf(episode) } }
  },
})
