import { decodeHTML } from 'entities/decode'

import { cleanLine } from '../text.ts'
import { readClock, SPEAKER_CHARS_MAX } from './caption.ts'

/** What one voice says in a caption. */
export type Spoken = { readonly text: string; readonly speaker: string | undefined }

/** Tags that captions have; whatever else stands between < and > was said. */
const TAGS = new Set(['c', 'i', 'b', 'u', 's', 'em', 'strong', 'ruby', 'rt', 'v', 'lang', 'font', 'br', 'p', 'span'])
/** Where a caption stands on the screen, as some editors write it: {\an8}. */
const PLACEMENT = /\{\\an?\d{1,2}\}/g
/** No tag is longer; names of speakers are in them. */
const TAG_CHARS_MAX = 1000

/**
 * The words of a caption by voice, without tags and escapes, in time that grows with its length alone. Text that only
 * looks like a tag (`We <3 you`, `List<String>`) stays.
 */
export function readCueText(markup: string): Spoken[] {
  const spoken: Spoken[] = []
  let speaker: string | undefined
  let parts: string[] = []
  const end = () => {
    const text = cleanLine(decodeHTML(parts.join('')))
    if (text !== '') spoken.push({ text, speaker })
    parts = []
  }
  const plain = markup.replaceAll(PLACEMENT, '')
  let at = 0
  for (let open = plain.indexOf('<'); open !== -1; open = plain.indexOf('<', open + 1)) {
    const tag = readTag(plain, open)
    if (tag === undefined) continue
    if (open > at) parts.push(plain.slice(at, open))
    at = tag.end
    open = tag.end - 1
    if (tag.name === 'br') parts.push(' ')
    if (tag.name !== 'v') continue
    end()
    speaker = tag.closes || tag.annotation === '' ? undefined : tag.annotation
  }
  parts.push(plain.slice(at))
  end()
  return spoken
}

type Tag = { readonly name: string; readonly closes: boolean; readonly annotation: string; readonly end: number }

/** The tag that begins at a place; undefined where none does. Looks no further than a tag is long. */
function readTag(text: string, open: number): Tag | undefined {
  const head = text.slice(open + 1, open + TAG_CHARS_MAX)
  const length = head.search(/[<>]/)
  if (length === -1 || head[length] !== '>') return undefined
  const inner = head.slice(0, length)
  const end = open + length + 2
  if (readClock(inner) !== undefined) return { name: 'time', closes: false, annotation: '', end }
  const [, slash = '', name = ''] = /^(\/?)([a-z]{0,6})(?![\p{L}\p{N}_])/iu.exec(inner) ?? []
  const known = name.toLowerCase()
  if (!TAGS.has(known) && !(slash === '/' && inner === '/')) return undefined
  const space = inner.search(/\s/)
  const annotation = space === -1 ? '' : cleanLine(decodeHTML(inner.slice(space).slice(0, SPEAKER_CHARS_MAX)))
  return { name: known, closes: slash === '/', annotation, end }
}
