import * as z from 'zod'

import { cleanLine, cleanParagraphs, clipText } from './text.ts'

/** Bounds of what is stored: counts, and lengths in UTF-16 code units. */
export const NOTES_LIMITS = {
  titleChars: 200,
  descriptionChars: 4000,
  chapters: 100,
  chapterTitleChars: 120,
  tags: 20,
  tagChars: 60,
} as const

const text = (clean: (text: string) => string, charsMax: number) =>
  z
    .string()
    .transform((given) => clipText(clean(given), charsMax))
    .pipe(z.string().min(1))
const line = (charsMax: number) => text(cleanLine, charsMax)

/**
 * Show notes as they are stored: what a listener reads before pressing play. Chapter times are in seconds of the
 * recording. Notes that a model answered are read by `readNotes`.
 */
export const Notes = z.looseObject({
  title: line(NOTES_LIMITS.titleChars),
  description: text(cleanParagraphs, NOTES_LIMITS.descriptionChars),
  chapters: z
    .array(z.looseObject({ startSeconds: z.number().min(0), title: line(NOTES_LIMITS.chapterTitleChars) }))
    .max(NOTES_LIMITS.chapters),
  tags: z.array(line(NOTES_LIMITS.tagChars)).max(NOTES_LIMITS.tags),
})
export type Notes = z.infer<typeof Notes>

/**
 * Chapters a player can use, whatever a model answered: in order, inside the recording, one per start, the first at 0.
 */
export function tidyChapters(chapters: Notes['chapters'], durationSeconds: number): Notes['chapters'] {
  const inside = chapters
    .filter(({ startSeconds }) => startSeconds < durationSeconds)
    .toSorted((a, b) => a.startSeconds - b.startSeconds)
    .filter(({ startSeconds }, index, all) => index === 0 || startSeconds > (all[index - 1]?.startSeconds ?? -1))
  return inside.map((chapter, index) => (index === 0 ? { ...chapter, startSeconds: 0 } : chapter))
}

/** The same chapters in an episode that starts with an intro: the first still at 0, the others later by the intro. */
export function shiftChapters(chapters: Notes['chapters'], introSeconds: number): Notes['chapters'] {
  return chapters.map((chapter, index) =>
    index === 0 ? chapter : { ...chapter, startSeconds: round(chapter.startSeconds + introSeconds) },
  )
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
