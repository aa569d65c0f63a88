import { systemClock } from './clock.ts'
import type { Clock } from './clock.ts'

/** One version of a document, with the ids of the latest writes that led to it. */
export type WrittenVersion = { readonly writes: readonly string[] }

/**
 * A version to begin with instead of a read. `remembered`: it may be old, so only a write that lands on it counts, and
 * every other decision is made on a fresh version. `recent`: it is as good as one that was just read.
 */
type KnownVersion<Version> = { readonly kind: 'remembered' | 'recent'; readonly version: Version }

export type CompareAndSet<Version extends WrittenVersion, Decision> = {
  /** Unique to this change. What `write` writes must have it among its `writes`. */
  readonly writeId: string
  readonly known?: KnownVersion<Version> | undefined
  /** @returns undefined when there is nothing that could be changed */
  readonly read: () => Promise<Version | undefined>
  /** May be asked several times, on newer and newer versions. */
  readonly decide: (version: Version) => Decision
  /**
   * Writes only on top of exactly that version.
   * @returns the new version; 'lost' when that version is not the newest; undefined when the decision needs no write
   */
  readonly write: (version: Version, decision: Decision) => Promise<Version | 'lost'> | undefined
  /** Writes that are tried on versions that were read, TRIES_MAX unless given; one on a remembered version comes on top. */
  readonly triesMax?: number
}

/**
 * How a change ended. `landed`: it is written, and `version` has it. `unchanged`: the decision made on `version` needs
 * no write. `absent`: there is nothing to change. `contended`: others were faster at every try.
 */
export type CompareAndSetEnd<Version, Decision> =
  | { readonly kind: 'landed'; readonly decision: Decision; readonly version: Version }
  | { readonly kind: 'unchanged'; readonly decision: Decision; readonly version: Version }
  | { readonly kind: 'absent' }
  | { readonly kind: 'contended' }

/** What the pauses between tries are made of. */
export type Pace = {
  readonly clock: Pick<Clock, 'after'>
  /** In [0, 1). */
  readonly random: () => number
}

const SYSTEM_PACE: Pace = { clock: systemClock, random: Math.random }

const TRIES_MAX = 12
/** A pause is random between the least and a ceiling that doubles from there, up to the most. */
const PAUSE_MS = { least: 10, most: 400 }
/** How many of its latest writes a document remembers, so that a landed write is recognised after later ones. */
const WRITES_KEPT = 8

/**
 * Changes one document without a lock: reads it, decides, and writes only if nobody was faster; otherwise again, a
 * bounded number of times with a random pause in between.
 *
 * Google's clients repeat a commit whose answer they missed, and a repeated commit that had landed is refused by its
 * own success. A lost write is therefore looked for among the writes of the next version before anything is decided
 * anew.
 *
 * It is in this folder, and not with the stores that use it too, because the breaker must work without the rest of the
 * project.
 * @throws what `read`, `decide` and `write` throw, and nothing of its own. An error of `decide` on a remembered version
 * is dropped: the fresh version may not deserve it.
 */
export async function compareAndSet<Version extends WrittenVersion, Decision>(
  change: CompareAndSet<Version, Decision>,
  pace: Pace = SYSTEM_PACE,
): Promise<CompareAndSetEnd<Version, Decision>> {
  const { writeId, known, read, decide, write, triesMax = TRIES_MAX } = change
  let lost: { decision: Decision } | undefined
  if (known?.kind === 'remembered') {
    const remembered = decideOrAbstain(decide, known.version)
    if (remembered !== undefined) {
      const written = await write(known.version, remembered.decision)
      if (written !== undefined && written !== 'lost') return { kind: 'landed', ...remembered, version: written }
      if (written === 'lost') lost = remembered
    }
  }
  for (let tries = 0; ; tries++) {
    if (tries > 0 && tries < triesMax) await pauseAfter(tries, pace)
    const version = tries === 0 && known?.kind === 'recent' ? known.version : await read()
    if (version === undefined) return { kind: 'absent' }
    if (lost !== undefined && version.writes.includes(writeId)) return { kind: 'landed', ...lost, version }
    // After the last try the document is read only to see whether that try has landed.
    if (tries === triesMax) return { kind: 'contended' }
    const decision = decide(version)
    const written = await write(version, decision)
    if (written === undefined) return { kind: 'unchanged', decision, version }
    if (written !== 'lost') return { kind: 'landed', decision, version: written }
    lost = { decision }
  }
}

/** The ids of a document's latest writes, with one more. */
export function appendWrite(writes: readonly string[], writeId: string): string[] {
  return [...writes, writeId].slice(-WRITES_KEPT)
}

function decideOrAbstain<Version, Decision>(
  decide: (version: Version) => Decision,
  version: Version,
): { decision: Decision } | undefined {
  try {
    return { decision: decide(version) }
  } catch {
    return undefined
  }
}

function pauseAfter(tries: number, { clock, random }: Pace): Promise<void> {
  const { least, most } = PAUSE_MS
  const ceilingMs = Math.min(most, least * 2 ** tries)
  return new Promise((resolve) => void clock.after(least + random() * (ceilingMs - least), resolve))
}
