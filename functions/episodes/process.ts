import { processEpisode } from '../../shared/podcast/owner/process.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('episodes-process', ['episodes', 'objects', 'queue'], {
  input: REQUESTS['episodes-process'],
  async handle({ userId, limits, input, operation }, dependencies) {
    const episode = await processEpisode(dependencies, { userId, limits }, input.episodeId, operation)
    return { status: 202, json: { episode: viewOf(episode) } }
  },
})
