import * as z from 'zod'

import { UnreadableTranscript, UnsupportedTranscriptType } from '../errors.ts'
import { ISSUES_MAX, SPEAKER_CHARS_MAX } from './captions/caption.ts'
import type { Caption } from './captions/caption.ts'
import { readCueText } from './captions/cue-text.ts'
import { recogniseCaptions } from './captions/recognise.ts'
import { readSubRip } from './captions/sub-rip.ts'
import { readWebVtt } from './captions/web-vtt.ts'
import { spread, WORDS_MAX } from './hand-transcript.ts'
import type { HandTranscript, Passage } from './hand-transcript.ts'
import { cleanLine, clipText } from './text.ts'

/** Types a transcript by hand may have, and how each is read. */
const READERS: Record<string, (text: string) => Passage[]> = {
  'text/plain': readPlainText,
  'text/vtt': (text) => passagesOf(readWebVtt(text)),
  'application/x-subrip': (text) => passagesOf(readSubRip(text)),
  'application/json': readOurJson,
}
const PASSAGES_MAX = 200_000
/** So many passages with a number, times and an empty line each. */
const LINES_MAX = 5 * PASSAGES_MAX

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
  const { type, reader } = requireTranscriptType(contentType)
  const text = decodeText(body)
    .replace(/^\uFEFF/, '')
    .replaceAll(/\r\n?/g, '\n')
  if (countOf('\n', text, LINES_MAX) === LINES_MAX)
    throw new UnreadableTranscript(`It has more than ${inWords(LINES_MAX)} lines`)
  const captions = recogniseCaptions(type, text)
  if (captions !== undefined) throw new UnreadableTranscript(captions)
  const passages = reader(text)
    .map(({ speaker, ...passage }) => ({ ...passage, text: cleanLine(passage.text), ...namedSpeaker(speaker) }))
    .filter((passage) => passage.text !== '')
  if (passages.length === 0) throw new UnreadableTranscript('There are no words in it')
  if (passages.length > PASSAGES_MAX)
    throw new UnreadableTranscript(`It has more than ${inWords(PASSAGES_MAX)} passages`)
  // Words of cleaned text have one space between them.
  const words = passages.reduce((sum, passage) => sum + 1 + countOf(' ', passage.text), 0)
  if (words > WORDS_MAX) throw new UnreadableTranscript(`It has more than ${inWords(WORDS_MAX)} words`)
  const timed = passages.every(({ startMs, endMs }) => startMs !== undefined && endMs !== undefined)
  return { schemaVersion: 1, timed, passages }
}

function namedSpeaker(speaker: string | undefined): { speaker?: string } {
  const name = speaker && clipText(cleanLine(speaker.slice(0, 2 * SPEAKER_CHARS_MAX)), SPEAKER_CHARS_MAX)
  return name ? { speaker: name } : {}
}

/** Of what type a transcript is, and how it is read. @throws UnsupportedTranscriptType */
export function requireTranscriptType(contentType: string): {
  readonly type: string
  readonly reader: (text: string) => Passage[]
} {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined
  if (reader === undefined) throw new UnsupportedTranscriptType(Object.keys(READERS))
  return { type, reader }
}

function inWords(most: number): string {
  return most.toLocaleString('en-US')
}

function decodeText(body: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body)
  } catch {
    throw new UnreadableTranscript('It is not text in UTF-8')
  }
}

/** How often a character stands in a text; counted up to `most`. */
function countOf(character: string, text: string, most = Infinity): number {
  let count = 0
  for (let at = text.indexOf(character); at !== -1 && count < most; at = text.indexOf(character, at + 1)) count++
  return count
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
