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
  const gaps = changes(sentences)
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

/**
 * How much changes before each sentence but the first: 0 when both sides share their words, 1 when they share none, more
 * with a pause. Both sides move along with the place, so that every term is looked at a few times only.
 */
function changes(sentences: readonly Spoken[]): { at: number; change: number }[] {
  const sides = new Sides()
  let from = 0
  let until = 0
  return sentences.slice(1).map(({ startMs: placeMs }, index) => {
    const at = index + 1
    for (
      let next = sentences[until];
      next && (until <= at || next.startMs < placeMs + SIDE_MS);
      next = sentences[until]
    ) {
      sides.add('after', next.terms)
      until++
    }
    const passed = sentences[index]
    if (passed !== undefined) {
      sides.remove('after', passed.terms)
      sides.add('before', passed.terms)
    }
    for (let first = sentences[from]; first && from < at && first.endMs <= placeMs - SIDE_MS; first = sentences[from]) {
      sides.remove('before', first.terms)
      from++
    }
    const pauseMs = placeMs - (passed?.endMs ?? 0)
    return { at, change: 1 - sides.likeness + (pauseMs >= PAUSE_MS_MIN ? Math.min(1, pauseMs / 10_000) : 0) }
  })
}

/** What is said on either side of a place, by how often; and how alike that is, kept up to date with each term. */
class Sides {
  readonly #counts = { before: new Map<string, number>(), after: new Map<string, number>() }
  readonly #squares = { before: 0, after: 0 }
  #dot = 0

  add(side: 'before' | 'after', terms: readonly string[]): void {
    for (const term of terms) this.#change(side, term, 1)
  }

  remove(side: 'before' | 'after', terms: readonly string[]): void {
    for (const term of terms) this.#change(side, term, -1)
  }

  /** The cosine of the two: 1 when their terms come up in the same proportions, 0 when they share none. */
  get likeness(): number {
    const lengths = Math.sqrt(this.#squares.before * this.#squares.after)
    return lengths === 0 ? 0 : this.#dot / lengths
  }

  #change(side: 'before' | 'after', term: string, by: 1 | -1): void {
    const counts = this.#counts[side]
    const times = counts.get(term) ?? 0
    if (times + by === 0) counts.delete(term)
    else counts.set(term, times + by)
    this.#squares[side] += (times + by) ** 2 - times ** 2
    this.#dot += by * (this.#counts[side === 'before' ? 'after' : 'before'].get(term) ?? 0)
  }
}
