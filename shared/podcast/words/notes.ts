import * as z from 'zod'

import { cleanLine } from './text.ts'

const line = (charsMax: number) =>
  z
    .string()
    .transform((text) => cleanLine(text).slice(0, charsMax))
    .pipe(z.string().min(1))

/** Show notes: what a listener reads before pressing play. Chapter times are in seconds of the recording. */
export const Notes = z.looseObject({
  title: line(200),
  description: z
    .string()
    .transform((text) => text.trim().slice(0, 4000))
    .pipe(z.string().min(1)),
  chapters: z.array(z.looseObject({ startSeconds: z.number().min(0), title: line(120) })).max(100),
  tags: z.array(line(60)).max(20),
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
