import * as z from 'zod'

import { outputLinks } from '../../shared/podcast/owner/links.ts'
import { lookAtOwned } from '../../shared/podcast/owner/access.ts'
import { EpisodeId } from '../../shared/podcast/inputs.ts'
import { historyOf, viewOf } from '../../shared/podcast/view.ts'
import { serve } from '../serve.ts'

export default serve('episodes-get', ['episodes'], {
  input: z.strictObject({ episodeId: EpisodeId, history: z.enum(['0', '1']).default('0') }),
  async handle({ userId, input }, dependencies) {
    const look = await lookAtOwned(dependencies, userId, input.episodeId)
    const { episode } = look
    const view = viewOf(episode, await outputLinks(dependencies, look))
    return { status: 200, json: { episode: view, ...(input.history === '1' && { history: historyOf(episode) }) } }
  },
})
