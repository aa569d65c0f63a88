import { ISSUES_MAX, isTiming, readTiming, requireNoIssues } from './caption.ts'
import type { Caption, CaptionIssue } from './caption.ts'

/** A caption's number, on a line of its own before its times. */
const COUNTER = /^\s*\d{1,9}\s*$/
const COUNTER_CHARS_MAX = 40

/**
 * Reads SubRip as players do: a caption is what stands between its line of times and the next, without the next one's
 * number; empty lines may be missing, have spaces in them, or stand within a caption.
 * @param text with line feeds alone
 * @throws UnreadableTranscript with the lines that are wrong
 */
export function readSubRip(text: string): Caption[] {
  const lines = text.split('\n')
  const issues: CaptionIssue[] = []
  const captions: Caption[] = []
  const timings = lines.flatMap((line, at) => (isTiming(line) ? [at] : []))
  const [first = lines.length] = timings
  const before = lines.slice(0, first).findIndex((line) => line.trim() !== '' && !isCounter(line))
  if (before !== -1 || timings.length === 0)
    issues.push({ line: Math.max(1, before + 1), message: 'there is no line of times (00:00:01,000 --> 00:00:02,000)' })
  for (const [index, at] of timings.entries()) {
    if (issues.length >= ISSUES_MAX) break
    const timing = readTiming(lines[at] ?? '')
    if (typeof timing === 'string') issues.push({ line: at + 1, message: timing })
    else captions.push({ ...timing, markup: textBetween(lines, at + 1, timings[index + 1] ?? lines.length + 1) })
  }
  requireNoIssues(issues)
  return captions
}

/** The lines of a caption; `until` is the next one's line of times, which its number may stand before. */
function textBetween(lines: readonly string[], from: number, until: number): string {
  const own = lines.slice(from, until)
  if (until < lines.length && isCounter(own.at(-1) ?? '')) own.pop()
  return own.join('\n')
}

function isCounter(line: string): boolean {
  return line.length <= COUNTER_CHARS_MAX && COUNTER.test(line)
}
