import { ISSUES_MAX, isTiming, readTiming, requireNoIssues } from './caption.ts'
import type { Caption, CaptionIssue } from './caption.ts'

const SIGNATURE = /^WEBVTT(?:[ \t]|$)/
/** Blocks that are not captions. */
const APART = /^(?:NOTE|STYLE|REGION)(?:[ \t]|$)/

/**
 * Reads WebVTT (W3C) as its rules ask of a parser: whatever stands in header, settings, styles, regions and notes is
 * passed over. Where those rules would drop words in silence, because their times cannot be read, it says so instead.
 * @param text with line feeds alone
 * @throws UnreadableTranscript with the lines that are wrong
 */
export function readWebVtt(text: string): Caption[] {
  const lines = text.split('\n')
  if (!SIGNATURE.test(lines[0]?.slice(0, 7) ?? ''))
    requireNoIssues([{ line: 1, message: 'the signature WEBVTT is missing' }])
  const captions: Caption[] = []
  const issues: CaptionIssue[] = []
  let at = 1
  // Lines up to the first empty one are the header's, unless one of them says when something is shown.
  at = endOfBlock(lines, at)
  while (at < lines.length && issues.length < ISSUES_MAX) {
    const line = lines[at] ?? ''
    if (line === '') {
      at++
    } else if (APART.test(line.slice(0, 7)) && !isTiming(line)) {
      at = endOfBlock(lines, at)
    } else {
      // A name may stand before the times.
      if (!isTiming(line)) at++
      const timingLine = lines[at] ?? ''
      if (!isTiming(timingLine)) {
        issues.push({ line: at, message: 'a caption without a line of times (00:00:01.000 --> 00:00:02.000)' })
        at = endOfBlock(lines, at)
        continue
      }
      const timing = readTiming(timingLine)
      if (typeof timing === 'string') issues.push({ line: at + 1, message: timing })
      const firstText = ++at
      at = endOfBlock(lines, at)
      if (typeof timing !== 'string') captions.push({ ...timing, markup: lines.slice(firstText, at).join('\n') })
    }
  }
  requireNoIssues(issues)
  return captions
}

/** Where the lines end that belong together: before an empty one, or one that says when something is shown. */
function endOfBlock(lines: readonly string[], from: number): number {
  let at = from
  while (at < lines.length && lines[at] !== '' && !isTiming(lines[at] ?? '')) at++
  return at
}
