import { primaryLanguage } from './language.ts'

/** What a text is about, as far as counting can tell: its words without those that say nothing, by language. */
export type TermsOf = (text: string) => string[]

/** ISO 639-3 codes, which the word lists are kept by, of the ISO 639-1 codes that episodes have. */
// prettier-ignore
const ISO_639_3: Readonly<Record<string, string>> = {
  af: 'afr', ar: 'ara', bg: 'bul', bn: 'ben', br: 'bre', ca: 'cat', cs: 'ces', da: 'dan', de: 'deu', el: 'ell', en: 'eng',
  eo: 'epo', es: 'spa', et: 'est', eu: 'eus', fa: 'fas', fi: 'fin', fil: 'tgl', fr: 'fra', ga: 'gle', gl: 'glg', gu: 'guj', ha: 'hau',
  he: 'heb', hi: 'hin', hr: 'hrv', hu: 'hun', hy: 'hye', id: 'ind', it: 'ita', ja: 'jpn', ko: 'kor', ku: 'kur', la: 'lat',
  lt: 'lit', lv: 'lav', mr: 'mar', ms: 'msa', my: 'mya', nb: 'nob', nl: 'nld', no: 'nob', pl: 'pol', pt: 'por', ro: 'ron',
  ru: 'rus', sk: 'slk', sl: 'slv', so: 'som', st: 'sot', sv: 'swe', sw: 'swa', th: 'tha', tl: 'tgl', tr: 'tur', uk: 'ukr',
  ur: 'urd', vi: 'vie', yo: 'yor', zh: 'zho', zu: 'zul',
}

const TERM_CHARS_MIN = 3
/** Scripts without spaces have words of two characters, and of one. */
const TERM_CHARS_MIN_CJK = 2
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Thai}]/u

/** Splits texts of a language into terms, lower-case; a language without a word list loses its shortest words only. */
export async function termsOf(language: string): Promise<TermsOf> {
  const { default: lists } = await import('stopword')
  const code = primaryLanguage(language)
  const list = lists[ISO_639_3[code] ?? '']
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
