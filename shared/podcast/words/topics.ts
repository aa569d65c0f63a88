import { countsOf } from './terms.ts'

/** A sentence as far as its subject goes. */
export type Spoken = { startMs: number; endMs: number; terms: readonly string[] }

/** So much is said on either side of a place before the two are compared. */
const SIDE_MS = 60_000
const CHAPTERS_MAX = 12
/** Shorter chapters are no help to a listener. */
const CHAPTER_MS_MIN = 60_000
const CHAPTER_SHARE_MIN = 1 / 20
/** A pause of this length may be a change of subject by itself. */
const PAUSE_MS_MIN = 1500

/**
 * Where the subject changes: places at which what was said before and what is said after have few words in common
 * (TextTiling: Hearst, 1997), a pause speaking for the place as well.
 * @returns indices of the sentences that begin a chapter, the first of them 0; empty when nothing was said
 */
export function topicStarts(sentences: readonly Spoken[], durationSeconds: number): number[] {
  if (sentences.length === 0) return []
  const lengthMsMin = Math.max(CHAPTER_MS_MIN, durationSeconds * 1000 * CHAPTER_SHARE_MIN)
  const gaps = sentences.slice(1).map((_sentence, index) => gapBefore(sentences, index + 1))
  const mean = gaps.reduce((sum, { change }) => sum + change, 0) / Math.max(1, gaps.length)
  const starts = [0]
  for (const { at, change } of gaps.toSorted((a, b) => b.change - a.change)) {
    if (change <= mean || starts.length >= CHAPTERS_MAX) break
    const startMs = sentences[at]?.startMs ?? 0
    const near = starts.some((other) => Math.abs((sentences[other]?.startMs ?? 0) - startMs) < lengthMsMin)
    const late = durationSeconds * 1000 - startMs < lengthMsMin
    if (!near && !late) starts.push(at)
  }
  return starts.toSorted((a, b) => a - b)
}

/** How much changes before a sentence: 0 when both sides share their words, 1 when they share none, more with a pause. */
function gapBefore(sentences: readonly Spoken[], at: number): { at: number; change: number } {
  const placeMs = sentences[at]?.startMs ?? 0
  const before = sentences.slice(0, at).filter(({ endMs }) => endMs > placeMs - SIDE_MS)
  const after = sentences.slice(at).filter(({ startMs }) => startMs < placeMs + SIDE_MS)
  const alike = cosine(countsOf(before.flatMap(({ terms }) => terms)), countsOf(after.flatMap(({ terms }) => terms)))
  const pauseMs = placeMs - (sentences[at - 1]?.endMs ?? 0)
  return { at, change: 1 - alike + (pauseMs >= PAUSE_MS_MIN ? Math.min(1, pauseMs / 10_000) : 0) }
}

function cosine(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  const dot = [...a].reduce((sum, [term, times]) => sum + times * (b.get(term) ?? 0), 0)
  const length = (counts: ReadonlyMap<string, number>) =>
    Math.sqrt([...counts.values()].reduce((sum, times) => sum + times * times, 0))
  const lengths = length(a) * length(b)
  return lengths === 0 ? 0 : dot / lengths
}
