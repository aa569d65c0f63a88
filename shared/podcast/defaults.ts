import type { EpisodeContent } from './content.ts'

/* What an episode has where its owner said nothing. Every function loads this; schemas are not for here. */

/** What an episode is called whose owner gave it no title. */
export const TITLE_DEFAULT = 'Untitled episode'

/** LUFS, the level podcast platforms ask for (Apple Podcasts: -16 dB LKFS +-1). */
const LOUDNESS_TARGET_DEFAULT = -16

export function loudnessTargetOf({ options }: Pick<EpisodeContent, 'options'>): number {
  return options.loudnessTarget ?? LOUDNESS_TARGET_DEFAULT
}
