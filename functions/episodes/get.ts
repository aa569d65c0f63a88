import * as z from 'zod'

import { outputLinks } from '../../shared/episodes/actions.ts'
import { readOwned } from '../../shared/episodes/change.ts'
import { EpisodeId } from '../../shared/episodes/inputs.ts'
import { historyOf, viewOf } from '../../shared/episodes/view.ts'
import { serve } from '../serve.ts'

export default serve('episodes-get', ['episodes'], {
  input: z.strictObject({ episodeId: EpisodeId, history: z.enum(['0', '1']).default('0') }),
  async handle({ userId, input }, dependencies) {
    const episode = await readOwned(dependencies, userId, input.episodeId)
    const view = viewOf(episode, await outputLinks(dependencies, episode))
    return { status: 200, json: { episode: view, ...(input.history === '1' && { history: historyOf(episode) }) } }
  },
})
