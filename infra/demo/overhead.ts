import { DEFAULT_ORDER } from '../../shared/providers/orders.ts'
import type { PortName } from '../../shared/podcast/ports.ts'
import type { WorkRecord } from '../local/providers/stand-in.ts'

/** How long an episode took, and how much of it was ours. All in ms. */
export type Overhead = { totalMs: number; standInMs: number; share: number }

/**
 * The longest path through the pipeline is transcribe, then the slower of write and voice, then master: what the
 * stand-ins themselves took on it is theirs, all the rest is ours.
 */
export function overheadOf(totalMs: number, records: readonly WorkRecord[]): Overhead {
  const longest = (port: PortName) => {
    const targets: readonly string[] = DEFAULT_ORDER[port]
    return Math.max(
      0,
      ...records
        .filter(({ target }) => targets.includes(target))
        .map(({ startedAtMs, endedAtMs }) => endedAtMs - startedAtMs),
    )
  }
  const standInMs = longest('transcribers') + Math.max(longest('writers'), longest('speakers')) + longest('masterings')
  return { totalMs, standInMs, share: standInMs === 0 ? 0 : (totalMs - standInMs) / standInMs }
}
