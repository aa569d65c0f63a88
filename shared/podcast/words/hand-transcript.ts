import * as z from 'zod'

import { UnreadableTranscript, UnsupportedTranscriptType } from '../errors.ts'
import { ISSUES_MAX } from './captions/caption.ts'
import type { Caption } from './captions/caption.ts'
import { readCueText } from './captions/cue-text.ts'
import { readSubRip } from './captions/sub-rip.ts'
import { readWebVtt } from './captions/web-vtt.ts'
import { cleanLine } from './text.ts'
import type { Transcript, Word } from './transcript.ts'

/** What one paragraph, caption or word of a transcript by hand says, and when, where it says when. */
const Passage = z.looseObject({
  text: z.string().min(1),
  startMs: z.number().int().min(0).optional(),
  endMs: z.number().int().min(0).optional(),
  speaker: z.string().optional(),
})
type Passage = z.infer<typeof Passage>

/** A transcript by hand as it is stored until the recording's length is known. */
export const HandTranscript = z.looseObject({
  schemaVersion: z.literal(1),
  timed: z.boolean(),
  passages: z.array(Passage).min(1),
})
export type HandTranscript = z.infer<typeof HandTranscript>

/** Types a transcript by hand may have, and how each is read. */
const READERS: Record<string, (text: string) => Passage[]> = {
  'text/plain': readPlainText,
  'text/vtt': (text) => passagesOf(readWebVtt(text)),
  'application/x-subrip': (text) => passagesOf(readSubRip(text)),
  'application/json': readOurJson,
}
const PASSAGES_MAX = 200_000

/** Our own JSON: what `outputs.transcriptUrl` leads to, as it is or corrected. */
const OurWords = z.looseObject({
  words: z
    .array(
      z.looseObject({
        text: z.string().min(1),
        startMs: z.number().int().min(0),
        endMs: z.number().int().min(0),
        speaker: z.string().optional(),
      }),
    )
    .min(1),
})
/** The transcript of the podcast namespace. */
const Segments = z.looseObject({
  segments: z
    .array(
      z.looseObject({
        body: z.string(),
        startTime: z.number().min(0),
        endTime: z.number().min(0),
        speaker: z.string().optional(),
      }),
    )
    .min(1),
})
const OnlyText = z.looseObject({ text: z.string().min(1) })

/**
 * Reads and checks a transcript by hand.
 * @throws UnsupportedTranscriptType for a type we do not read; UnreadableTranscript with the places that are wrong
 */
export function readHandTranscript(contentType: string, body: Buffer): HandTranscript {
  const reader = requireTranscriptType(contentType)
  const text = decodeText(body)
  const passages = reader(text.replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n'))
    .map((passage) => ({ ...passage, text: cleanLine(passage.text) }))
    .filter((passage) => passage.text !== '')
  if (passages.length === 0) throw new UnreadableTranscript('There are no words in it')
  if (passages.length > PASSAGES_MAX) throw new UnreadableTranscript(`It has more than ${PASSAGES_MAX} passages`)
  const timed = passages.every(({ startMs, endMs }) => startMs !== undefined && endMs !== undefined)
  return { schemaVersion: 1, timed, passages }
}

/** How a transcript of a type is read. @throws UnsupportedTranscriptType */
export function requireTranscriptType(contentType: string): (text: string) => Passage[] {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined
  if (reader === undefined) throw new UnsupportedTranscriptType(Object.keys(READERS))
  return reader
}

function decodeText(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw new UnreadableTranscript('It is not text in UTF-8')
  }
}

function readPlainText(text: string): Passage[] {
  if (/[^\P{Cc}\s]/u.test(text)) throw new UnreadableTranscript('It is not plain text')
  return text.split(/\n\s*\n/).map((paragraph) => ({ text: paragraph }))
}

/** Captions in the order in which they are shown, each divided where another voice begins. */
function passagesOf(captions: readonly Caption[]): Passage[] {
  return captions
    .toSorted((a, b) => a.startMs - b.startMs)
    .flatMap(({ markup, startMs, endMs }) =>
      spread(
        readCueText(markup).map(({ text, speaker }) => ({ text, ...(speaker !== undefined && { speaker }) })),
        startMs,
        endMs,
      ),
    )
}

function readOurJson(text: string): Passage[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UnreadableTranscript('It is not valid JSON')
  }
  const words = OurWords.safeParse(value)
  if (words.success) return inOrder(words.data.words)
  const segments = Segments.safeParse(value)
  if (segments.success) return inOrder(segments.data.segments.map(passageOfSegment))
  const only = OnlyText.safeParse(value)
  if (only.success) return readPlainText(only.data.text)
  const { issues } = typeof value === 'object' && value !== null && 'segments' in value ? segments.error : words.error
  throw new UnreadableTranscript(
    'It has neither words with times nor a text',
    issues.slice(0, ISSUES_MAX).map(({ path, message }) => ({ path: path.join('.'), message })),
  )
}

function passageOfSegment({
  body,
  startTime,
  endTime,
  speaker,
}: z.infer<typeof Segments>['segments'][number]): Passage {
  const [startMs, endMs] = [Math.round(startTime * 1000), Math.round(endTime * 1000)]
  return { text: body, startMs, endMs, ...(speaker !== undefined && { speaker }) }
}

function inOrder(passages: readonly Passage[]): Passage[] {
  return passages.toSorted((a, b) => (a.startMs ?? 0) - (b.startMs ?? 0))
}

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
function spread(passages: readonly Passage[], fromMs: number, untilMs: number): Passage[] {
  const total = passages.reduce((sum, { text }) => sum + text.length + 1, 0)
  let passed = 0
  return passages.map((passage) => {
    const startMs = Math.round(fromMs + ((untilMs - fromMs) * passed) / total)
    passed += passage.text.length + 1
    return { ...passage, startMs, endMs: Math.round(fromMs + ((untilMs - fromMs) * passed) / total) }
  })
}
