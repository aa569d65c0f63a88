import * as z from 'zod'

import { UnreadableTranscript, UnsupportedTranscriptType } from '../errors.ts'
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
const READERS: Record<string, (text: string) => Promise<Passage[]> | Passage[]> = {
  'text/plain': readPlainText,
  'text/vtt': captions,
  'application/x-subrip': (text) => captions(`WEBVTT\n\n${withoutCommas(text)}`),
  'application/json': readOurJson,
}
const PASSAGES_MAX = 200_000
const ISSUES_MAX = 20

/** Our own JSON: what `outputs.transcriptUrl` leads to, as it is or corrected; or only its words or text. */
const Ours = z.union([
  z.looseObject({
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
  }),
  z.looseObject({ text: z.string().min(1) }),
])

/**
 * Reads and checks a transcript by hand.
 * @throws UnsupportedTranscriptType for a type we do not read; UnreadableTranscript with the places that are wrong
 */
export async function readHandTranscript(contentType: string, body: Buffer): Promise<HandTranscript> {
  const type = contentType.split(';')[0]?.trim().toLowerCase() ?? ''
  const reader = Object.hasOwn(READERS, type) ? READERS[type] : undefined
  if (reader === undefined) throw new UnsupportedTranscriptType(Object.keys(READERS))
  const text = decodeText(body)
  const passages = (await reader(text.replace(/^\uFEFF/, '').replaceAll(/\r\n?/g, '\n')))
    .map((passage) => ({ ...passage, text: cleanLine(passage.text) }))
    .filter((passage) => passage.text !== '')
  if (passages.length === 0) throw new UnreadableTranscript('There are no words in it')
  if (passages.length > PASSAGES_MAX) throw new UnreadableTranscript(`It has more than ${PASSAGES_MAX} passages`)
  const timed = passages.every(({ startMs, endMs }) => startMs !== undefined && endMs !== undefined)
  return { schemaVersion: 1, timed, passages }
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

/** What the parser finds wrong with the times and the frame; what it finds in texts and settings does not matter here. */
const GRAVE =
  /-->|signature|identifier|digits|seconds|59 minutes|separator|time unit|No timestamp found|trailing characters|range 0-9|End timestamp/

async function captions(text: string): Promise<Passage[]> {
  const { default: webvtt } = await import('webvtt-parser')
  const { cues, errors } = new webvtt.WebVTTParser().parse(text)
  const grave = errors.filter(({ message }) => GRAVE.test(message))
  if (grave.length > 0)
    throw new UnreadableTranscript(
      `Line ${grave[0]?.line}: ${grave[0]?.message}`,
      grave.slice(0, ISSUES_MAX).map(({ line, message }) => ({ path: `line ${line}`, message })),
    )
  return cues
    .map((cue) => {
      const speaker = /^<v(?:\.[^\s>]*)?\s+([^>]+)>/.exec(cue.text)?.[1]
      return {
        text: stripMarkup(cue.text),
        startMs: Math.round(cue.startTime * 1000),
        endMs: Math.round(cue.endTime * 1000),
        ...(speaker !== undefined && { speaker: cleanLine(speaker) }),
      }
    })
    .toSorted((a, b) => a.startMs - b.startMs)
}

/** The words of a cue without its tags and escapes. */
function stripMarkup(text: string): string {
  const entities: Record<string, string> = { amp: '&', lt: '<', gt: '>', nbsp: ' ', lrm: '', rlm: '' }
  return text.replaceAll(/<[^>]*>/g, '').replaceAll(/&(\w+);/g, (whole, name: string) => entities[name] ?? whole)
}

function withoutCommas(text: string): string {
  return text.replaceAll(
    /^(\s*\d{1,2}:\d{2}:\d{2}),(\d{1,3})(\s*-->\s*\d{1,2}:\d{2}:\d{2}),(\d{1,3})/gm,
    (_whole, from: string, fromMs: string, to: string, toMs: string) =>
      `${padHours(from)}.${fromMs.padEnd(3, '0')}${padHours(to)}.${toMs.padEnd(3, '0')}`,
  )
}

/** SubRip writes hours with one digit, too. */
function padHours(clock: string): string {
  return clock.replace(/(^|\D)(\d)(?=:\d{2}:\d{2}$)/, '$10$2')
}

function readOurJson(text: string): Passage[] {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new UnreadableTranscript('It is not valid JSON')
  }
  const parsed = Ours.safeParse(value)
  if (!parsed.success)
    throw new UnreadableTranscript(
      'It has neither words with times nor a text',
      parsed.error.issues.slice(0, ISSUES_MAX).map(({ path, message }) => ({ path: path.join('.'), message })),
    )
  if (!('words' in parsed.data) || !Array.isArray(parsed.data.words)) return readPlainText(String(parsed.data['text']))
  return (parsed.data.words as Passage[]).toSorted((a, b) => (a.startMs ?? 0) - (b.startMs ?? 0))
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
