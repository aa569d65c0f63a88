import { outputLinks, readOwned } from '../../shared/episodes/actions.ts'
import { EpisodeReference } from '../../shared/episodes/inputs.ts'
import { viewOf } from '../../shared/episodes/view.ts'
import { serve } from '../serve.ts'

export default serve('episodes-get', ['episodes'], {
  input: EpisodeReference,
  async handle({ userId, input }, needs) {
    const episode = await readOwned(needs, userId, input.episodeId)
    return { status: 200, json: { episode: viewOf(episode, await outputLinks(needs, episode)) } }
  },
})
