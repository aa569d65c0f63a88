import { cancelEpisode } from '../../shared/podcast/owner/cancel.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('episodes-cancel', ['episodes', 'queue'], {
  input: REQUESTS['episodes-cancel'],
  async handle({ userId, input, operation }, dependencies) {
    const episode = await cancelEpisode(dependencies, userId, input.episodeId, operation)
    return { status: 202, json: { episode: viewOf(episode) } }
  },
})
