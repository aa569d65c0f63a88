import type { Languages } from '../../podcast/ports.ts'
import { AUTO, localeOf } from '../../podcast/words/language.ts'

/** AssemblyAI's own enumeration: `TranscriptLanguageCode` of its SDK, release 4.41.5. */
// prettier-ignore
export const LANGUAGE_CODES = [
  'en', 'en_au', 'en_uk', 'en_us', 'es', 'fr', 'de', 'de_ch', 'it', 'pt', 'nl', 'af', 'sq', 'am', 'ar', 'hy', 'as', 'az',
  'ba', 'eu', 'be', 'bn', 'bs', 'br', 'bg', 'my', 'ca', 'zh', 'hr', 'cs', 'da', 'et', 'fo', 'fi', 'gl', 'ka', 'el', 'gu',
  'ht', 'ha', 'haw', 'he', 'hi', 'hu', 'is', 'id', 'ja', 'jw', 'kn', 'kk', 'km', 'ko', 'lo', 'la', 'lv', 'ln', 'lt', 'lb',
  'mk', 'mg', 'ms', 'ml', 'mt', 'mi', 'mr', 'mn', 'ne', 'no', 'nn', 'oc', 'pa', 'ps', 'fa', 'pl', 'ro', 'ru', 'sa', 'sr',
  'sn', 'sd', 'si', 'sk', 'sl', 'so', 'su', 'sw', 'sv', 'tl', 'tg', 'ta', 'tt', 'te', 'th', 'bo', 'tr', 'tk', 'uk', 'ur',
  'uz', 'vi', 'cy', 'yi', 'yo',
] as const
export type LanguageCode = (typeof LANGUAGE_CODES)[number]

/** Codes that BCP 47 spells otherwise. */
const TAGS: { readonly [Code in LanguageCode]?: string } = {
  en_au: 'en-AU',
  en_uk: 'en-GB',
  en_us: 'en-US',
  de_ch: 'de-CH',
  jw: 'jv',
  tl: 'fil',
}
const CODE_OF_TAG: ReadonlyMap<string, LanguageCode> = new Map<string, LanguageCode>([
  ...LANGUAGE_CODES.map((code) => [knownTagOf(code), code] as const),
  // What it has under a wider name, or another.
  ['nb', 'no'],
  ['gsw', 'de_ch'],
])

/** Which languages AssemblyAI is asked for. */
export const languages: Languages = {
  list: [AUTO, ...LANGUAGE_CODES.map(knownTagOf)].toSorted(),
  takes: (language) => language === AUTO || codeOf(language) !== undefined,
}

/**
 * The code for a tag of BCP 47: with its region where AssemblyAI tells that one apart, else that of its language.
 * @returns undefined for a language that it does not have
 */
export function codeOf(tag: string): LanguageCode | undefined {
  const { language = '', region = '' } = localeOf(tag) ?? {}
  return CODE_OF_TAG.get(`${language}-${region}`) ?? CODE_OF_TAG.get(language)
}

/** The tag of BCP 47 for a code, one that this release does not know included; undefined for what is none. */
export function tagOf(code: string): string | undefined {
  return TAGS[code as LanguageCode] ?? localeOf(code)?.toString()
}

function knownTagOf(code: LanguageCode): string {
  return TAGS[code] ?? code
}
