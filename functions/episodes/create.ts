import * as z from 'zod'

import { createEpisode } from '../../shared/episodes/actions.ts'
import { Language, Options, Title, TITLE_DEFAULT } from '../../shared/episodes/schema.ts'
import { viewOf } from '../../shared/episodes/view.ts'
import { serve } from '../serve.ts'

export default serve('episodes-create', ['episodes'], {
  input: z.strictObject({
    title: Title.default(TITLE_DEFAULT),
    language: Language.default('en'),
    options: Options.default({}),
  }),
  async handle({ userId, input, operation }, dependencies) {
    const episode = await createEpisode(dependencies, userId, operation, input)
    return { status: 201, json: { episode: viewOf(episode) } }
  },
})
