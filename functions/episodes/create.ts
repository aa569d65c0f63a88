import { createEpisode } from '../../shared/podcast/owner/create.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { REQUESTS } from '../requests.ts'
import { serve } from '../serve.ts'

export default serve('episodes-create', ['episodes'], {
  input: REQUESTS['episodes-create'],
  async handle({ userId, limits, input, operation }, dependencies) {
    // A new episode is dated by the store's clock.
    await dependencies.firestore.time()
    const episode = await createEpisode(dependencies, { userId, limits }, operation, input)
    return { status: 201, json: { episode: viewOf(episode) } }
  },
})
