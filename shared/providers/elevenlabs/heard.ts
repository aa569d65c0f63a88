import * as z from 'zod'

import type { HeardWord, Transcribed } from '../../podcast/ports.ts'
import type { ReadAnswer } from '../heard-answer.ts'
import { whatIsWrong } from '../parse-json.ts'
import { tagOf } from './languages.ts'

const WORDS_MAX = 500_000
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ'

/** It was charged, whatever it is like: a part of the wrong type is one that is missing. */
const Answer = z.object({
  language_code: z.string().optional().catch(undefined),
  text: z.string().optional().catch(undefined),
  audio_duration_secs: z.number().nonnegative().optional().catch(undefined),
  words: z.array(z.unknown()).max(WORDS_MAX).optional().catch(undefined),
})
const Word = z.object({
  text: z.string(),
  start: z.number().nullish(),
  end: z.number().nullish(),
  type: z.string().nullish(),
  speaker_id: z.string().nullish(),
})

/** What Scribe has heard. */
export function readHeard(answer: unknown): ReadAnswer<Transcribed> {
  const parsed = Answer.safeParse(answer)
  if (!parsed.success) return { lacks: whatIsWrong(parsed.error) }
  const { text: said, audio_duration_secs: durationSeconds, words: parts, language_code: code } = parsed.data
  const cost = { calls: 1, audioSeconds: durationSeconds ?? 0 }
  if (parts === undefined && said === undefined) return { lacks: 'both words and a text', cost }
  const words = (parts ?? []).flatMap(wordOf)
  const language = code === undefined ? undefined : tagOf(code)
  return { read: { language, durationSeconds, text: said ?? words.map(({ text }) => text).join(' '), words, cost } }
}

/** Spaces and sounds that are no words are left out, and so is what has no time. */
function wordOf(value: unknown): HeardWord[] {
  const { success, data: word } = Word.safeParse(value)
  if (!success || word.text.trim() === '' || (word.type ?? 'word') !== 'word' || word.start == null) return []
  const startMs = Math.max(0, Math.round(word.start * 1000))
  const endMs = Math.max(startMs, Math.round((word.end ?? word.start) * 1000))
  if (!Number.isSafeInteger(startMs) || !Number.isSafeInteger(endMs)) return []
  return [
    { text: word.text.trim(), startMs, endMs, ...(word.speaker_id != null && { speaker: labelOf(word.speaker_id) }) },
  ]
}

/** `speaker_0` is `A`: a speaker has the same label whoever transcribes. */
function labelOf(speakerId: string): string {
  const number = /^speaker_(\d{1,2})$/.exec(speakerId)?.[1]
  return number === undefined ? speakerId : (LETTERS[Number(number)] ?? speakerId)
}
