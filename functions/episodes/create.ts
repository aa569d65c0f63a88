import * as z from 'zod'

import { createEpisode } from '../../shared/podcast/owner/create.ts'
import { Language, Title } from '../../shared/podcast/content.ts'
import { TITLE_DEFAULT } from '../../shared/podcast/defaults.ts'
import { Options } from '../../shared/podcast/options.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { serve } from '../serve.ts'

export default serve('episodes-create', ['episodes'], {
  input: z.strictObject({
    title: Title.default(TITLE_DEFAULT),
    language: Language.default('en'),
    options: Options.default({}),
  }),
  async handle({ userId, limits, input, operation }, dependencies) {
    // A new episode is dated by the store's clock.
    await dependencies.firestore.time()
    const episode = await createEpisode(dependencies, { userId, limits }, operation, input)
    return { status: 201, json: { episode: viewOf(episode) } }
  },
})
