import * as z from 'zod'

import type { Heard, HeardWord } from '../ports.ts'
import { SPEAKER_CHARS_MAX } from './captions/caption.ts'
import { transcriptFrom, WORDS_MAX } from './hand-transcript.ts'
import { AUTO, UNDETERMINED } from './language.ts'
import { clipText } from './text.ts'
import type { Transcript } from './transcript.ts'

/** What a transcriber has heard, as JSON. */
export const HeardJson = z.object({
  language: z.string().optional(),
  durationSeconds: z.number().optional(),
  text: z.string(),
  words: z.array(
    z.object({ text: z.string(), startMs: z.number(), endMs: z.number(), speaker: z.string().optional() }),
  ),
})

type Recording = {
  readonly language: string
  readonly measuredSeconds: number | undefined
  readonly secondsMax: number
}

/** A provider rounds to whole seconds; beyond that it and the file's header do not speak of the same sound. */
const ROUNDING_SECONDS = 1.5
/** A length of nothing is none. */
const SECONDS_MIN = 0.001
/** A hundred hours: no recording is longer. */
const MS_MAX = 360_000_000
const SPOKEN = /[\p{L}\p{N}]/u
/** What would turn the reading direction around, or is no character at all. */
const UNREADABLE = /[\p{Cc}\p{Zl}\p{Zp}\u202A-\u202E\u2066-\u2069]+/gu

/** Of the text, and of all words together, as long as a transcript by hand. */
const TEXT_CHARS_MAX = 5 * 1024 * 1024
/** No writing has longer words; some languages have a whole sentence between two spaces. */
const WORD_CHARS_MAX = 1_000

/**
 * The transcript of a recording from what a transcriber heard: every word inside the recording, none that ends before it
 * begins. A text without words with times is laid over the whole length. Nothing of it is longer than a transcript by
 * hand may be.
 * @param recording its language as its owner said it, which counts unless it was to be heard; its length as we measure
 *   it, and the longest that its bytes can be
 * @returns undefined when nothing was said
 */
export function heardTranscript(heard: Heard, recording: Recording): Transcript | undefined {
  const language = recording.language === AUTO ? (heard.language ?? UNDETERMINED) : recording.language
  const words = within(heard.words)
  const text = clean(heard.text, TEXT_CHARS_MAX)
  if (words.length === 0 && SPOKEN.test(text)) return spreadOut(heard, { ...recording, language }, text)
  if (!words.some((word) => SPOKEN.test(word.text))) return undefined
  const endMs = words.reduce((latest, word) => Math.max(latest, word.endMs), 0)
  const durationSeconds = lengthOf(heard.durationSeconds, recording, endMs / 1000)
  const clip = (ms: number) => Math.min(ms, Math.floor(durationSeconds * 1000))
  const inside = words.map((word) => ({ ...word, startMs: clip(word.startMs), endMs: clip(word.endMs) }))
  return {
    language,
    durationSeconds,
    text: text === '' ? words.map((word) => word.text).join(' ') : text,
    words: inside.toSorted((a, b) => a.startMs - b.startMs),
  }
}

/**
 * Ours where both agree, because a provider gives whole seconds; else the provider's, who has listened to all of it and
 * not only to the header; and never less than what was said in it, as far as that can be. What its bytes cannot be is no
 * length of it.
 */
function lengthOf(said: number | undefined, { measuredSeconds, secondsMax }: Recording, spokenSeconds: number): number {
  const theirs = said !== undefined && said <= secondsMax ? said : undefined
  const known = agree(theirs, measuredSeconds) ? measuredSeconds : (theirs ?? measuredSeconds)
  const spokenMax = known === undefined ? spokenSeconds : Math.min(spokenSeconds, known + ROUNDING_SECONDS)
  return Math.min(Math.max(known ?? SECONDS_MIN, spokenMax), secondsMax)
}

function agree(theirs: number | undefined, measured: number | undefined): boolean {
  return theirs !== undefined && measured !== undefined && Math.abs(theirs - measured) <= ROUNDING_SECONDS
}

function spreadOut(heard: Heard, recording: Recording, text: string): Transcript {
  const passages = [{ text }]
  const seconds = lengthOf(heard.durationSeconds, recording, 0)
  return transcriptFrom({ schemaVersion: 1, timed: false, passages }, seconds, recording.language)
}

/** The words that can be read, as many as a transcript may have; what comes after them is left out. */
function within(heard: readonly HeardWord[]): HeardWord[] {
  const words: HeardWord[] = []
  let chars = 0
  for (const each of heard) {
    const word = readable(each)
    if (word.text === '') continue
    chars += word.text.length + 1
    if (words.length === WORDS_MAX || chars > TEXT_CHARS_MAX) break
    words.push(word)
  }
  return words
}

function readable({ text, startMs: from, endMs: until, speaker }: HeardWord): HeardWord {
  const startMs = wholeMs(from)
  const name = speaker === undefined ? '' : clean(speaker, SPEAKER_CHARS_MAX)
  const times = { startMs, endMs: Math.max(startMs, wholeMs(until)) }
  return { text: clean(text, WORD_CHARS_MAX), ...times, ...(name !== '' && { speaker: name }) }
}

function wholeMs(ms: number): number {
  return Number.isFinite(ms) ? Math.min(MS_MAX, Math.max(0, Math.round(ms))) : 0
}

/** What it says in one line, without more than `charsMax` of it, of which no more than twice as much is looked at. */
function clean(text: string, charsMax: number): string {
  const beginning = text.slice(0, 2 * charsMax).toWellFormed()
  return clipText(beginning.replaceAll(UNREADABLE, ' ').replaceAll(/\s+/gu, ' ').trim(), charsMax)
}
