import { isTiming, readTiming } from './caption.ts'

const WEB_VTT = 'text/vtt'
const SUB_RIP = 'application/x-subrip'
const TITLES: Readonly<Record<string, string>> = { [WEB_VTT]: 'WebVTT', [SUB_RIP]: 'SubRip' }
/** How far a caption file may go before its first times. */
const HEAD_CHARS_MAX = 4000

/**
 * What a text is although it was sent as something else: captions taken for spoken words would have their times read out.
 * @param type that it was sent as
 * @param text with line feeds alone
 * @returns what it looks like and how it must be sent; undefined when it may be what was said
 */
export function recogniseCaptions(type: string, text: string): string | undefined {
  const looksLike = typeOfCaptions(text.slice(0, HEAD_CHARS_MAX))
  if (looksLike === undefined || looksLike === type) return undefined
  return `It looks like ${TITLES[looksLike]}: send it with Content-Type: ${looksLike}`
}

function typeOfCaptions(head: string): string | undefined {
  if (/^WEBVTT(?:[ \t\n]|$)/.test(head)) return WEB_VTT
  const times = head.split('\n').find(isTiming)
  return times !== undefined && typeof readTiming(times) !== 'string' ? SUB_RIP : undefined
}
