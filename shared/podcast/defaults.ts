/* What an episode has where its owner said nothing. Every function loads this; schemas are not for here. */

/** What an episode is called whose owner gave it no title. */
export const TITLE_DEFAULT = 'Untitled episode'

/** LUFS, the level podcast platforms ask for (Apple Podcasts: -16 dB LKFS +-1). */
export const LOUDNESS_TARGET_DEFAULT = -16

type WithOptions = { readonly options: { readonly loudnessTarget?: number | undefined } }

export function loudnessTargetOf({ options }: WithOptions): number {
  return options.loudnessTarget ?? LOUDNESS_TARGET_DEFAULT
}
