import * as z from 'zod'

/** Input shapes that several functions share. */
export const EpisodeId = z
  .string()
  .regex(/^[0-9a-f]{24}$/, 'expected the id of an episode')
  .describe('of the episode')
export const EpisodeReference = z.strictObject({ episodeId: EpisodeId })
