import { viewOf } from '../../shared/podcast/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('episodes-list', ['episodes'], {
  input: REQUESTS['episodes-list'],
  async handle({ userId, input }, dependencies) {
    const { episodes, nextPageToken } = await dependencies.episodes.page({ userId, ...input })
    return {
      status: 200,
      json: { episodes: episodes.map((episode) => viewOf(episode)), ...(nextPageToken && { nextPageToken }) },
    }
  },
})
