import { deleteEpisode } from '../../shared/episodes/actions.ts'
import { EpisodeReference } from '../../shared/episodes/inputs.ts'
import { serve } from '../serve.ts'

export default serve('episodes-delete', ['episodes', 'objects'], {
  input: EpisodeReference,
  async handle({ userId, input, operation }, dependencies) {
    await deleteEpisode(dependencies, userId, input.episodeId, operation)
    return { status: 204 }
  },
})
