import { deleteEpisode } from '../../shared/podcast/owner/delete.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('episodes-delete', ['episodes', 'objects'], {
  input: REQUESTS['episodes-delete'],
  async handle({ userId, input, operation }, dependencies) {
    await deleteEpisode(dependencies, userId, input.episodeId, operation)
    return { status: 204 }
  },
})
