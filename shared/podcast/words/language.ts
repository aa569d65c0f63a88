/* Languages as BCP 47 names them (RFC 5646). */

/** In place of a tag: whoever transcribes the recording says which language it hears. */
export const AUTO = 'auto'
/** BCP 47 for a language that nobody has said and nobody has heard. */
export const UNDETERMINED = 'und'
/** As long as a tag of every subtag that has a meaning can be (RFC 5646, 4.4.1). */
export const LANGUAGE_CHARS_MAX = 35

/** `zh-cmn-Hans`: the language that is meant stands second. */
const EXTENDED = /^[a-z]{2,3}-(?=[a-z]{3}(?:-|$))/i

/**
 * The one spelling of a tag: `EN` is `en`, `zh-hant-tw` is `zh-Hant-TW`, `iw` is `he`.
 * @returns undefined for what is no tag of a language
 */
export function canonicalLanguage(tag: string): string | undefined {
  if (tag === AUTO) return AUTO
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
