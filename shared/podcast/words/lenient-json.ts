const DEPTH_MAX = 16

/** What was read, and where reading ended. */
export type Reading = { readonly value: unknown; readonly end: number }

/**
 * Reads the JSON object that begins at `start`, which must be a `{`, the way a person would: raw line breaks in texts,
 * unknown escapes, and commas too many or too few change nothing. Where the text ends or makes no sense, what was
 * complete by then is the result; half a text or half a number is not. Takes time in proportion to the text, and never
 * throws.
 */
export function readLenientObject(text: string, start: number): Reading {
  const cursor: Cursor = { text, at: start, broken: false }
  return { value: readObject(cursor, 1), end: cursor.at }
}

/** `broken`: nothing after here can be read. */
type Cursor = { readonly text: string; at: number; broken: boolean }

/** A value that is incomplete, or is none: it is left out. */
const NOTHING = Symbol('nothing')
type Value = unknown

function readValue(cursor: Cursor, depth: number): Value {
  skip(cursor, WHITESPACE)
  switch (cursor.text[cursor.at]) {
    case '"':
      return readString(cursor)
    case '{':
      return depth < DEPTH_MAX ? readObject(cursor, depth + 1) : stop(cursor)
    case '[':
      return depth < DEPTH_MAX ? readArray(cursor, depth + 1) : stop(cursor)
    default:
      return readWord(cursor)
  }
}

function readObject(cursor: Cursor, depth: number): Record<string, unknown> {
  const members = new Map<string, unknown>()
  cursor.at++
  while (!endsWith(cursor, '}')) {
    const key = cursor.text[cursor.at] === '"' ? readString(cursor) : stop(cursor)
    skip(cursor, WHITESPACE)
    if (typeof key !== 'string' || cursor.text[cursor.at] !== ':') stop(cursor)
    if (cursor.broken) break
    cursor.at++
    const value = readValue(cursor, depth)
    if (value !== NOTHING) members.set(String(key), value)
  }
  // Entries, and no assignments: a key may be `__proto__`.
  return Object.fromEntries(members)
}

function readArray(cursor: Cursor, depth: number): unknown[] {
  const items: unknown[] = []
  cursor.at++
  while (!endsWith(cursor, ']')) {
    const value = readValue(cursor, depth)
    if (value !== NOTHING) items.push(value)
  }
  return items
}

/** Whether an object or an array is over: by its bracket, or because nothing more can be read. */
function endsWith(cursor: Cursor, bracket: string): boolean {
  skip(cursor, SEPARATORS)
  if (cursor.broken || cursor.at >= cursor.text.length) return true
  if (cursor.text[cursor.at] !== bracket) return false
  cursor.at++
  return true
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' }

function readString(cursor: Cursor): Value {
  const { text } = cursor
  const start = cursor.at + 1
  let end = start
  while (end < text.length && text[end] !== '"') end += text[end] === '\\' ? 2 : 1
  cursor.at = end + 1
  if (end >= text.length) return stop(cursor)
  return text
    .slice(start, end)
    .replace(/\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g, (_whole, code: string | undefined, escaped: string) =>
      code === undefined ? (ESCAPES[escaped] ?? escaped) : String.fromCharCode(Number.parseInt(code, 16)),
    )
}

const WHITESPACE = /\s*/y
const SEPARATORS = /[\s,]*/y
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y
const WORD = /[A-Za-z_]+/y
const CONSTANTS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ['true', true],
  ['false', false],
  ['null', null],
])

function readWord(cursor: Cursor): Value {
  const number = skip(cursor, NUMBER)
  // The last digits may be missing.
  if (number !== '') return cursor.at < cursor.text.length ? Number(number) : NOTHING
  const word = skip(cursor, WORD)
  if (word === '') return stop(cursor)
  return CONSTANTS.has(word) ? CONSTANTS.get(word) : NOTHING
}

function skip(cursor: Cursor, pattern: RegExp): string {
  pattern.lastIndex = cursor.at
  const found = pattern.exec(cursor.text)?.[0] ?? ''
  cursor.at += found.length
  return found
}

function stop(cursor: Cursor): typeof NOTHING {
  cursor.broken = true
  return NOTHING
}
