import { UnreadableTranscript } from '../../errors.ts'

/** One caption as its file has it: what is shown, markup and all, and when. */
export type Caption = { readonly startMs: number; readonly endMs: number; readonly markup: string }

/** What is wrong with a caption file, and where: the first line is 1. */
export type CaptionIssue = { readonly line: number; readonly message: string }

/** So many places that are wrong are told; nothing is read behind them. */
export const ISSUES_MAX = 20

/** Each word of a transcript names its speaker: a name without end would be written as often. */
export const SPEAKER_CHARS_MAX = 60

/** @throws UnreadableTranscript with the places that are wrong, where there are any */
export function requireNoIssues(issues: readonly CaptionIssue[]): void {
  const [first] = issues
  if (first === undefined) return
  throw new UnreadableTranscript(
    `Line ${first.line}: ${first.message}`,
    issues.slice(0, ISSUES_MAX).map(({ line, message }) => ({ path: `line ${line}`, message })),
  )
}

/** Programs write hours with one digit or none, a comma or a full stop, and fewer than three digits behind it. */
const CLOCK = /^(?:(\d{1,6}):)?(\d{1,2}):(\d{1,2})(?:[.,](\d{1,3}))?$/
/** A timestamp is short; what is longer is none, and is not looked at. */
const CLOCK_CHARS_MAX = 20

/** @returns milliseconds; undefined for what is no time of day */
export function readClock(text: string): number | undefined {
  if (text.length > CLOCK_CHARS_MAX) return undefined
  const [, hours = '0', minutes = '', seconds = '', fraction = ''] = CLOCK.exec(text) ?? []
  if (minutes === '' || Number(minutes) > 59 || Number(seconds) > 59) return undefined
  const wholeSeconds = (Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)
  return wholeSeconds * 1000 + Number(fraction.padEnd(3, '0'))
}

const ARROW = '-->'

/** Whether a line says when a caption is shown, or means to. */
export function isTiming(line: string): boolean {
  return line.includes(ARROW)
}

/** When a caption is shown, as its line says; in words, what is wrong with that line. What follows the times is ignored. */
export function readTiming(line: string): { startMs: number; endMs: number } | string {
  const at = line.indexOf(ARROW)
  const from = line.slice(0, at).trim()
  const rest = line.slice(at + ARROW.length, at + ARROW.length + 2 * CLOCK_CHARS_MAX).trim()
  const [until = ''] = rest.split(/\s/, 1)
  const [startMs, endMs] = [readClock(from), readClock(until)]
  if (startMs === undefined) return 'it does not begin with a time such as 00:01:02.345'
  if (endMs === undefined) return 'there is no time such as 00:01:02.345 behind -->'
  return endMs < startMs ? 'the caption ends before it begins' : { startMs, endMs }
}
