import { deleteEpisode } from '../../shared/podcast/owner/delete.ts'
import { EpisodeReference } from '../../shared/podcast/inputs.ts'
import { serve } from '../serve.ts'

export default serve('episodes-delete', ['episodes', 'objects'], {
  input: EpisodeReference,
  async handle({ userId, input, operation }, dependencies) {
    await deleteEpisode(dependencies, userId, input.episodeId, operation)
    return { status: 204 }
  },
})
