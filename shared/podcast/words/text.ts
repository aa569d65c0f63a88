/*
 * A joiner joins letters of Persian and Indic scripts, and the parts of an emoji: of several the last counts, and where
 * it stands alone it says nothing.
 */
const JOINER_BEFORE_JOINER = /[\u200C\u200D](?=[\u200C\u200D])/g
const LONELY_JOINER = /(?<![^ ])[\u200C\u200D]|[\u200C\u200D](?![^ ])/g
/**
 * What must never be seen: formats and bidirectional overrides, halves of characters, private ones, and what is none at
 * all. The flags of England, Scotland and Wales are spelled in formats, and stay.
 */
const UNSEEN =
  /(\u{1F3F4}[\u{E0030}-\u{E0039}\u{E0061}-\u{E007A}]{3,6}\u{E007F})|(?![\u200C\u200D])[\p{Cf}\p{Cs}\p{Co}\p{Noncharacter_Code_Point}]/gu

/** More marks on one letter are no writing (UAX 15 counts 30), and putting any number of them in order takes for ever. */
const MARKS_BEYOND = /(\p{M}{30})\p{M}+/gu

/** One line that is safe in a tag, a header value and a log: no control or bidi characters, single spaces, NFC. */
export function cleanLine(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
    .replace(UNSEEN, '$1')
    .replace(MARKS_BEYOND, '$1')
    .normalize('NFC')
    .replace(/\s{2,}|[^\S ]/gu, ' ')
    .replace(JOINER_BEFORE_JOINER, '')
    .replace(LONELY_JOINER, '')
    .replace(/ {2,}/g, ' ')
    .trim()
}

/** A text without what `dropped` matches at its end; that is asked about one character at a time. */
export function withoutEnd(text: string, dropped: RegExp): string {
  let end = text.length
  while (end > 0 && dropped.test(text.charAt(end - 1))) end--
  return text.slice(0, end)
}

/** The same for text of several lines: lines and paragraphs stay, with one empty line at most between them. */
export function cleanParagraphs(text: string): string {
  return text
    .split(/\r\n|[\n\v\f\r\u0085\u2028\u2029]/)
    .map(cleanLine)
    .join('\n')
    .replace(/\n{3,}/g, '\n\n')
    .trim()
}

/** Made when first used: it takes as long as a tenth of a start, and most instances cut nothing. */
let graphemes: Intl.Segmenter | undefined

/**
 * The beginning of a cleaned text that fits, in UTF-16 code units. What a reader takes for one character, such as an
 * emoji of several parts, is never cut in half.
 */
export function clipText(text: string, charsMax: number): string {
  if (text.length <= charsMax) return text
  graphemes ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  let end = 0
  // Where a character ends is decided by what follows it.
  for (const { index, segment } of graphemes.segment(text.slice(0, charsMax + 2))) {
    if (index + segment.length > charsMax) break
    end = index + segment.length
  }
  // One with more accents than there is room for is cut all the same.
  const kept = end > 0 ? text.slice(0, end) : text.slice(0, charsMax).replace(/[\uD800-\uDBFF]$/, '')
  return withoutEnd(kept, /[\s\u200C\u200D]/)
}

const FILE_NAME_CHARS_MAX = 60

/** A file name that means the same on every system; empty titles become `episode`. */
export function fileNameOf(title: string, extension: string): string {
  const stem = title
    .replace(MARKS_BEYOND, '$1')
    .normalize('NFKD')
    .replace(/\p{M}/gu, '')
    .replace(/[^A-Za-z0-9]+/g, '-')
    .slice(0, FILE_NAME_CHARS_MAX)
    .replace(/^-|-$/g, '')
    .toLowerCase()
  return `${stem || 'episode'}.${extension}`
}
