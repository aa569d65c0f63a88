import { retryEpisode } from '../../shared/podcast/owner/retry.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

/**
 * Goes on where the episode stopped. `options` replace all that it had: what they concern is done again, what is paid for
 * and still fits is kept. A ready episode is made anew only where they concern it. `from` names a step to be done
 * anew, with all that build on it.
 */
export default serve('episodes-retry', ['episodes', 'queue'], {
  input: REQUESTS['episodes-retry'],
  async handle({ userId, limits, input, operation }, dependencies) {
    const episode = await retryEpisode(dependencies, { userId, limits }, input, operation)
    return { status: 202, json: { episode: viewOf(episode) } }
  },
})
