import type { Languages } from '../../podcast/ports.ts'
import { AUTO, localeOf } from '../../podcast/words/language.ts'

/** What Scribe is said to understand (https://elevenlabs.io/docs/capabilities/speech-to-text), by ISO 639, shortest form. */
// prettier-ignore
const LANGUAGE_CODES: ReadonlySet<string> = new Set([
  'af', 'am', 'ar', 'hy', 'as', 'ast', 'az', 'be', 'bn', 'bs', 'bg', 'my', 'yue', 'ca', 'ceb', 'ny', 'hr', 'cs', 'da', 'nl',
  'en', 'et', 'fil', 'fi', 'fr', 'ff', 'gl', 'lg', 'ka', 'de', 'el', 'gu', 'ha', 'he', 'hi', 'hu', 'is', 'ig', 'id', 'ga',
  'it', 'ja', 'jv', 'kea', 'kn', 'kk', 'km', 'ko', 'ku', 'ky', 'lo', 'lv', 'ln', 'lt', 'luo', 'lb', 'mk', 'ms', 'ml', 'mt',
  'zh', 'mi', 'mr', 'mn', 'ne', 'nso', 'no', 'oc', 'or', 'ps', 'fa', 'pl', 'pt', 'pa', 'ro', 'ru', 'sr', 'sn', 'sd', 'sk',
  'sl', 'so', 'es', 'sw', 'sv', 'ta', 'tg', 'te', 'th', 'tr', 'uk', 'umb', 'ur', 'uz', 'vi', 'cy', 'wo', 'xh', 'zu',
])
/** Written languages that are one to a listener. */
const HEARD_AS: Readonly<Record<string, string>> = { nb: 'no', nn: 'no', cmn: 'zh' }

/** Which languages Scribe is asked for. */
export const languages: Languages = {
  list: [AUTO, ...LANGUAGE_CODES].toSorted(),
  takes: (language) => language === AUTO || codeOf(language) !== undefined,
}

/** The code for a tag of BCP 47, of which its language counts. @returns undefined for a language that it does not have */
export function codeOf(tag: string): string | undefined {
  const { language = '' } = localeOf(tag) ?? {}
  const code = HEARD_AS[language] ?? language
  return LANGUAGE_CODES.has(code) ? code : undefined
}

/** The tag of BCP 47 for a code as Scribe answers it, in three letters or two. */
export function tagOf(code: string): string | undefined {
  // The shortest form is the canonical one.
  return localeOf(code)?.language
}
