import { cancelEpisode } from '../../shared/podcast/owner/cancel.ts'
import { EpisodeReference } from '../../shared/podcast/inputs.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { serve } from '../serve.ts'

export default serve('episodes-cancel', ['episodes', 'queue'], {
  input: EpisodeReference,
  async handle({ userId, input, operation }, dependencies) {
    const episode = await cancelEpisode(dependencies, userId, input.episodeId, operation)
    return { status: 202, json: { episode: viewOf(episode) } }
  },
})
