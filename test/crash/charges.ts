import type { Charges } from '../../infra/local/providers/stand-in.ts'
import type { EpisodeView } from '../../shared/podcast/view.ts'
import type { Crash } from './crash-point.ts'

/*
 * What an episode tells of its charges, against the stand-ins' own ledger: `costs` unit for unit, and `repeatedCalls`.
 *
 * A call is recorded before it leaves. Who is killed between the record and the request has charged nothing, and nobody
 * can know: from what is left it cannot be told from one that was killed behind the request. Such a call is told as one
 * that may have been charged, at what its repeat has cost. This is the only difference that there may be, at the only
 * points where it can arise; everywhere else both are equal.
 */

/** Steps whose calls are charged each time, and by whom. */
const CALLERS = [
  { step: 'write', provider: 'gemini' },
  { step: 'voice', provider: 'elevenlabs' },
] as const
const PAID_CALL = /POST \S*(:generateContent|\/text-to-speech\/)/

/**
 * Calls by provider that are told although they were never made, for a crash: how many there may be.
 * @param reached the points of this very run, in order
 */
export function unsentCallsOf(crash: Crash | undefined, reached: readonly string[]): Record<string, readonly number[]> {
  const caller = CALLERS.find(({ step }) => crash?.point.startsWith(`work.${step} `))
  if (crash?.signal !== 'SIGKILL' || caller === undefined) return {}
  const { step, provider } = caller
  if (PAID_CALL.test(crash.point)) return crash.side === 'before' ? { [provider]: [1] } : {}
  const before = reached
    .slice(0, reached.indexOf(crash.point) + (crash.side === 'after' ? 1 : 0))
    .filter((point) => point.startsWith(`work.${step} `))
  if (before.some((point) => PAID_CALL.test(point))) return {}
  // Behind the claim comes the record; a heartbeat may have come before it, and is such a write, too.
  const writes = before.filter((point) => point.includes('Commit')).length
  return writes > 1 ? { [provider]: [0, 1] } : {}
}

/** What is wrong with what an episode tells that every one of its calls had its repeat's cost; nothing may be. */
export function chargeFaultsOf(
  { costs = {}, steps }: EpisodeView,
  charged: Charges,
  unsent: ReturnType<typeof unsentCallsOf>,
): string[] {
  const faults: string[] = []
  for (const provider of new Set([...Object.keys(costs), ...Object.keys(charged)])) {
    const { calls = 0 } = charged[provider] ?? {}
    const expected = (unsent[provider] ?? [0]).map((more) => times(charged[provider] ?? {}, more, calls))
    const told = inOrder(costs[provider] ?? {})
    if (!expected.some((one) => inOrder(one) === told))
      faults.push(`${provider} is told ${told}, and has charged ${inOrder(charged[provider] ?? {})}`)
  }
  for (const { step, provider } of CALLERS) {
    const { calls = 0 } = costs[provider] ?? {}
    const { repeatedCalls = 0 } = steps[step]
    if (repeatedCalls !== Math.max(0, calls - 1))
      faults.push(`${step} tells ${repeatedCalls} repeated calls of ${calls} of ${provider}`)
  }
  return faults
}

/** What so many more calls come to, each at what one of those has cost: all of one episode ask the same. */
function times(charged: Readonly<Record<string, number>>, more: number, calls: number): Record<string, number> {
  if (more === 0) return { ...charged }
  return Object.fromEntries(Object.entries(charged).map(([unit, amount]) => [unit, (amount * (calls + more)) / calls]))
}

/** Comparable; what is 0 is as if it were not there. */
function inOrder(amounts: Readonly<Record<string, number>>): string {
  const entries = Object.entries(amounts).filter(([, amount]) => amount !== 0)
  return JSON.stringify(Object.fromEntries(entries.toSorted(([a], [b]) => a.localeCompare(b))))
}
