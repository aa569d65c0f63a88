import { outputLinks } from '../../shared/podcast/owner/links.ts'
import { lookAtOwned } from '../../shared/podcast/owner/access.ts'
import { historyOf, viewOf } from '../../shared/podcast/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('episodes-get', ['episodes'], {
  input: REQUESTS['episodes-get'],
  async handle({ userId, input }, dependencies) {
    const look = await lookAtOwned(dependencies, userId, input.episodeId)
    const { episode } = look
    const view = viewOf(episode, await outputLinks(dependencies, look))
    return { status: 200, json: { episode: view, ...(input.history === '1' && { history: historyOf(episode) }) } }
  },
})
