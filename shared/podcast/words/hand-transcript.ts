import * as z from 'zod'

import type { Transcript, Word } from './transcript.ts'

/** What one paragraph, caption or word of a transcript by hand says, and when, where it says when. */
/** Of any transcript: spoken for a whole day, and quickly. */
export const WORDS_MAX = 250_000

const Passage = z.looseObject({
  text: z.string().min(1),
  startMs: z.number().int().min(0).optional(),
  endMs: z.number().int().min(0).optional(),
  speaker: z.string().optional(),
})
export type Passage = z.infer<typeof Passage>

/** A transcript by hand as it is stored until the recording's length is known. */
export const HandTranscript = z.looseObject({
  schemaVersion: z.literal(1),
  timed: z.boolean(),
  passages: z.array(Passage).min(1),
})
export type HandTranscript = z.infer<typeof HandTranscript>

/** Times outside the recording are moved to its edge: a transcript may be of a slightly longer cut. */
export function transcriptFrom(hand: HandTranscript, durationSeconds: number, language: string): Transcript {
  const durationMs = Math.floor(durationSeconds * 1000)
  const passages = hand.timed ? hand.passages : spread(hand.passages, 0, durationMs)
  const words = passages.flatMap((passage) => wordsOf(passage, durationMs))
  const text = hand.passages.map((passage) => passage.text).join(' ')
  return { language, durationSeconds, text, words, ...(!hand.timed && { estimated: true }) }
}

function wordsOf({ text, speaker, startMs = 0, endMs = 0 }: Passage, durationMs: number): Word[] {
  const from = Math.min(startMs, durationMs)
  const until = Math.min(Math.max(endMs, from), durationMs)
  const words = text.split(' ').map((word) => ({ text: word }))
  return spread(words, from, until).map((word) => ({
    text: word.text,
    startMs: word.startMs ?? from,
    endMs: word.endMs ?? until,
    ...(speaker !== undefined && { speaker }),
  }))
}

/** Places passages one after the other in a stretch of time, each as long as its share of the characters. */
export function spread(passages: readonly Passage[], fromMs: number, untilMs: number): Passage[] {
  const total = passages.reduce((sum, { text }) => sum + text.length + 1, 0)
  let passed = 0
  return passages.map((passage) => {
    const startMs = Math.round(fromMs + ((untilMs - fromMs) * passed) / total)
    passed += passage.text.length + 1
    return { ...passage, startMs, endMs: Math.round(fromMs + ((untilMs - fromMs) * passed) / total) }
  })
}
