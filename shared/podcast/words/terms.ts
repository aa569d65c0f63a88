import { iso639Of, primaryLanguage } from './language.ts'

/** What a text is about, as far as counting can tell: its words without those that say nothing, by language. */
export type TermsOf = (text: string) => string[]

const TERM_CHARS_MIN = 3
/** Scripts without spaces have words of two characters, and of one. */
const TERM_CHARS_MIN_CJK = 2
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]/u

/** Splits texts of a language into terms, lower-case; a language without a word list loses its shortest words only. */
export async function termsOf(language: string): Promise<TermsOf> {
  const { default: lists } = await import('stopword')
  const code = primaryLanguage(language)
  const list = lists[iso639Of(language) ?? '']
  const stopWords = new Set(Array.isArray(list) ? list.map((word) => word.toLowerCase()) : [])
  const segmenter = new Intl.Segmenter(code, { granularity: 'word' })
  return (text) => {
    const terms: string[] = []
    for (const { segment, isWordLike } of segmenter.segment(text)) {
      if (isWordLike !== true) continue
      const term = segment.toLowerCase().replace(/['’](s|re|ve|ll|d|m|t)$/, '')
      const charsMin = CJK.test(term) ? TERM_CHARS_MIN_CJK : TERM_CHARS_MIN
      if (term.length >= charsMin && /\p{L}/u.test(term) && !stopWords.has(term)) terms.push(term)
    }
    return terms
  }
}

export function countsOf(terms: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1)
  return counts
}
