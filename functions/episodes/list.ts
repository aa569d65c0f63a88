import * as z from 'zod'

import { EpisodeStatus } from '../../shared/podcast/episode.ts'
import { viewOf } from '../../shared/podcast/view.ts'
import { serve } from '../serve.ts'

const PAGE_SIZE_DEFAULT = 20
const PAGE_SIZE_MAX = 100

export default serve('episodes-list', ['episodes'], {
  input: z.strictObject({
    pageSize: z.coerce.number().int().min(1).max(PAGE_SIZE_MAX).default(PAGE_SIZE_DEFAULT),
    pageToken: z.string().max(200).optional(),
    status: EpisodeStatus.optional(),
  }),
  async handle({ userId, input }, dependencies) {
    const { episodes, nextPageToken } = await dependencies.episodes.page({ userId, ...input })
    return {
      status: 200,
      json: { episodes: episodes.map((episode) => viewOf(episode)), ...(nextPageToken && { nextPageToken }) },
    }
  },
})
