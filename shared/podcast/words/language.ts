/* Languages as BCP 47 names them (RFC 5646). */

/** In place of a tag: whoever transcribes the recording says which language it hears. */
export const AUTO = 'auto'
/** BCP 47 for a language that nobody has said and nobody has heard. */
export const UNDETERMINED = 'und'
/** As long as a tag of every subtag that has a meaning can be (RFC 5646, 4.4.1). */
export const LANGUAGE_CHARS_MAX = 35

/** Codes of three letters (ISO 639-2/T, and 639-3) of those of two. */
// prettier-ignore
const ISO_639_3: Readonly<Record<string, string>> = {
  af: 'afr', ar: 'ara', bg: 'bul', bn: 'ben', br: 'bre', ca: 'cat', cs: 'ces', da: 'dan', de: 'deu', el: 'ell', en: 'eng',
  eo: 'epo', es: 'spa', et: 'est', eu: 'eus', fa: 'fas', fi: 'fin', fil: 'tgl', fr: 'fra', ga: 'gle', gl: 'glg', gu: 'guj', ha: 'hau',
  he: 'heb', hi: 'hin', hr: 'hrv', hu: 'hun', hy: 'hye', id: 'ind', it: 'ita', ja: 'jpn', ko: 'kor', ku: 'kur', la: 'lat',
  lt: 'lit', lv: 'lav', mr: 'mar', ms: 'msa', my: 'mya', nb: 'nob', nl: 'nld', no: 'nob', pl: 'pol', pt: 'por', ro: 'ron',
  ru: 'rus', sk: 'slk', sl: 'slv', so: 'som', st: 'sot', sv: 'swe', sw: 'swa', th: 'tha', tl: 'tgl', tr: 'tur', uk: 'ukr',
  ur: 'urd', vi: 'vie', yo: 'yor', zh: 'zho', zu: 'zul',
}

/** `zh-cmn-Hans`: the language that is meant stands second. */
const EXTENDED = /^[a-z]{2,3}-(?=[a-z]{3}(?:-|$))/i

/**
 * The one spelling of a tag: `EN` is `en`, `zh-hant-tw` is `zh-Hant-TW`, `iw` is `he`.
 * @returns undefined for what is no tag of a language
 */
export function canonicalLanguage(tag: string): string | undefined {
  if (tag === AUTO) return AUTO
  if (tag.length > LANGUAGE_CHARS_MAX) return undefined
  // No language of five letters or more is registered.
  if (!/^[a-z]{2,3}(?:-|$)/i.test(tag)) return undefined
  try {
    return Intl.getCanonicalLocales(tag.replace(EXTENDED, ''))[0]
  } catch {
    return undefined
  }
}

/** The language of a tag without script and region, such as `zh`; `und` for what is no tag. Takes `en_GB`, too. */
export function primaryLanguage(tag: string): string {
  return localeOf(tag)?.language ?? UNDETERMINED
}

/** A tag in its parts; undefined for what is no tag. Takes `en_GB`, too, as documents of earlier releases have it. */
export function localeOf(tag: string): Intl.Locale | undefined {
  const canonical = canonicalLanguage(tag.replaceAll('_', '-'))
  return canonical === undefined || canonical === AUTO ? undefined : new Intl.Locale(canonical)
}

/** The code of three letters of a tag's language (ISO 639-2/T), as tags in files and lists of words have it, if known. */
export function iso639Of(tag: string): string | undefined {
  const language = primaryLanguage(tag)
  if (language === UNDETERMINED) return undefined
  return ISO_639_3[language] ?? (language.length === 3 ? language : undefined)
}
