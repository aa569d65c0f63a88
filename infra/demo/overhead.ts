import type { WorkRecord } from '../local/providers/stand-in.ts'

/** How long an episode took, and how much of it was ours. All in ms. */
export type Overhead = { totalMs: number; standInMs: number; share: number }

/**
 * The longest path through the pipeline is transcribe, then the slower of write and voice, then master: what the
 * stand-ins themselves took on it is theirs, all the rest is ours.
 */
export function overheadOf(totalMs: number, records: readonly WorkRecord[]): Overhead {
  const longest = (target: string) =>
    Math.max(
      0,
      ...records
        .filter((record) => record.target === target)
        .map(({ startedAtMs, endedAtMs }) => endedAtMs - startedAtMs),
    )
  const standInMs = longest('assemblyai') + Math.max(longest('gemini'), longest('elevenlabs')) + longest('auphonic')
  return { totalMs, standInMs, share: standInMs === 0 ? 0 : (totalMs - standInMs) / standInMs }
}
