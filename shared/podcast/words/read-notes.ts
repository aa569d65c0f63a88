import { readLenientObject } from './lenient-json.ts'
import { Notes, NOTES_LIMITS } from './notes.ts'
import { cleanLine, cleanParagraphs, clipText } from './text.ts'

/** What stands in where an answer has chapters or a text, and no title or no description. */
export type Spare = { readonly title: string; readonly description: string }

/** Objects looked at in one text: a thought or an example may come before the notes. */
const OBJECTS_MAX = 16

/**
 * Reads show notes from what a model answered, with everything in it that is of use. A code fence, a byte order mark,
 * words around the JSON and an end that was cut off are left out; so are a chapter without a title or a time, a tag
 * that is empty, and whatever is of the wrong kind. What is too long or too much is clipped.
 *
 * @param text the answer; takes time in proportion to it
 * @param spare what an incomplete answer is completed with
 * @returns notes that are as `Notes` has them, or undefined when there is neither a title, nor a description, nor a
 *   chapter
 *
 * @example
 * readNotes('```json\n{"title": "Tides", "tags": null}\n```', { title: 'Episode 3', description: 'Today: …' })
 * // { title: 'Tides', description: 'Today: …', chapters: [], tags: [] }
 */
export function readNotes(text: string, spare: Spare): Notes | undefined {
  for (const found of objectsIn(text)) {
    const notes = notesIn(found, spare)
    if (notes !== undefined) return notes
  }
  return undefined
}

function* objectsIn(text: string): Generator<Record<string, unknown>> {
  const whole = parse(text.trim())
  if (isObject(whole)) return void (yield* withContents(whole))
  let at = text.indexOf('{')
  for (let count = 0; at >= 0 && count < OBJECTS_MAX; count++) {
    const { value, end } = readLenientObject(text, at)
    if (isObject(value)) yield* withContents(value)
    at = text.indexOf('{', end)
  }
}

/** An object, and what it is only a wrapping of. */
function* withContents(found: Record<string, unknown>): Generator<Record<string, unknown>> {
  yield found
  const [only, ...others] = Object.values(found)
  if (others.length === 0 && isObject(only)) yield only
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function notesIn(found: Record<string, unknown>, spare: Spare): Notes | undefined {
  const title = lineOf(found['title'], NOTES_LIMITS.titleChars)
  const description = descriptionOf(found['description'])
  const chapters = chaptersOf(found['chapters'])
  if (title === '' && description === '' && chapters.length === 0) return undefined
  const spareTitle = lineOf(spare.title, NOTES_LIMITS.titleChars)
  const spareDescription = descriptionOf(spare.description)
  const notes = Notes.safeParse({
    title: title || spareTitle || lineOf(firstSentence(description), TITLE_CHARS_MAX) || chapters[0]?.title,
    description: description || spareDescription || title || chapters.map((chapter) => chapter.title).join('\n'),
    chapters,
    tags: tagsOf(found['tags']),
  })
  return notes.data
}

/** A line that has something to read in it, or an empty one. */
function lineOf(value: unknown, charsMax: number): string {
  const text = typeof value === 'number' ? String(value) : value
  if (typeof text !== 'string') return ''
  const line = clipText(cleanLine(text), charsMax)
  return READABLE.test(line) ? line : ''
}

/** Letters, digits and signs; no invisible ones, such as the Hangul filler. */
const READABLE = /(?!\p{Default_Ignorable_Code_Point})[\p{L}\p{N}\p{S}]/u

function descriptionOf(value: unknown): string {
  if (typeof value !== 'string') return ''
  const text = clipText(cleanParagraphs(value), NOTES_LIMITS.descriptionChars)
  return READABLE.test(text) ? text : ''
}

/** Of a title that is made here. */
const TITLE_CHARS_MAX = 80

function firstSentence(text: string): string {
  return text.split(/(?<=[.!?…])\s|(?<=[。！？।؟])|\n/)[0] ?? ''
}

/** In order, one per time. A first chapter without a usable time is the beginning; any other is left out. */
function chaptersOf(value: unknown): Notes['chapters'] {
  const byTime = new Map<number, Notes['chapters'][number]>()
  for (const [index, item] of listOf(value).filter(isObject).entries()) {
    const title = lineOf(item['title'], NOTES_LIMITS.chapterTitleChars)
    const startSeconds = secondsOf(item['startSeconds']) ?? (index === 0 ? 0 : undefined)
    if (title === '' || startSeconds === undefined || byTime.has(startSeconds)) continue
    byTime.set(startSeconds, { startSeconds, title })
  }
  return [...byTime.values()].toSorted((a, b) => a.startSeconds - b.startSeconds).slice(0, NOTES_LIMITS.chapters)
}

/** `754`, `"754.5"`, `"754 s"`, `"12:34"` and `"00:12:34,500"`; undefined when it is no time, or before the beginning. */
function secondsOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) && value >= 0 ? Math.abs(value) : undefined
  if (typeof value !== 'string' || value.length > TIME_CHARS_MAX) return undefined
  const [, hours = '0', minutes = '0', seconds = ''] = TIME.exec(value.trim().replace(',', '.')) ?? []
  return seconds === '' ? undefined : secondsOf(Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds))
}

const TIME_CHARS_MAX = 40
const TIME = /^(?:(?:(\d+):)?(\d+):)?(\d+(?:\.\d+)?)(?:\s*(?:s|sec|secs|seconds?))?$/i

/** Each once, whatever its case, without a leading `#`; also from one text with commas. */
function tagsOf(value: unknown): string[] {
  const given = typeof value === 'string' ? value.split(/[,;\n、，]/) : listOf(value)
  const byKey = new Map<string, string>()
  for (const item of given) {
    const tag = lineOf(typeof item === 'string' ? item.replace(/^[\s#]+/, '') : item, NOTES_LIMITS.tagChars)
    const key = tag.toLowerCase()
    if (tag !== '' && !byKey.has(key)) byKey.set(key, tag)
  }
  return [...byKey.values()].slice(0, NOTES_LIMITS.tags)
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : []
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
