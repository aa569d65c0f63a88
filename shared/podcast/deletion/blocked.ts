import type { Episode } from '../episode.ts'

/*
 * What was handed out before a deletion may bring something after it: links to upload through, requests of the owner, and
 * leases of workers. Until none of them can any more, the document waits, and an empty object lies under every name that a
 * link could create.
 */

/** Longer than any function may run: a worker whose lease has ended may still be sending for so long. */
const REQUEST_MS = 600_000
/** Whatever was handed out: within an hour of its deletion nothing is left of an episode. */
const BLOCKED_MS_MAX = 45 * 60_000

/** Until when a deleted episode waits for what was handed out; undefined: nothing was that could bring anything. */
export function blockedUntilMs({ strays = [], audio, steps, upgrade, deletedAtMs = 0 }: Episode): number | undefined {
  const leases = [steps, upgrade?.steps].flatMap(endsOfLeases).map((endMs) => endMs + REQUEST_MS)
  const latestMs = Math.max(audio?.linkUntilMs ?? 0, ...strays.map(({ untilMs }) => untilMs), ...leases)
  return latestMs > deletedAtMs ? Math.min(latestMs, deletedAtMs + BLOCKED_MS_MAX) : undefined
}

/** Under which names of a deleted episode its owner's requests and links could still store something. */
export function openKeys({ strays = [], audio, deletedAtMs = 0 }: Episode): string[] {
  const isOpen = (untilMs = 0) => untilMs > deletedAtMs
  return [
    ...(audio !== undefined && isOpen(audio.linkUntilMs) ? [audio.key] : []),
    ...strays.filter(({ untilMs }) => isOpen(untilMs)).map(({ key }) => key),
  ]
}

function endsOfLeases(steps: Episode['steps'] | undefined): number[] {
  return Object.values(steps ?? {}).flatMap(({ lease }) => (lease === undefined ? [] : [lease.untilMs]))
}
