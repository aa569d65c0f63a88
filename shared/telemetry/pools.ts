import { globalAgent as plainAgent } from 'node:http'
import type { Agent } from 'node:http'

/** Connections of this process to one origin: how many work, how many requests wait for one, how many are idle. */
export type Pool = { inUse: number; waiting: number; idle: number }

/** What fetch keeps per origin (undici's PoolStats). */
type FetchStats = { connected: number; free: number; queued: number; running: number }

const calls = new Map<string, number>()

/** Counts calls of a client that shares few connections among all of its calls, as gRPC does. */
export async function countCalls<T>(service: string, call: () => Promise<T>): Promise<T> {
  calls.set(service, (calls.get(service) ?? 0) + 1)
  try {
    return await call()
  } finally {
    calls.set(service, (calls.get(service) ?? 1) - 1)
  }
}

const FETCH_DISPATCHER = Symbol.for('undici.globalDispatcher.1')

/** This process's own outbound connections, by origin: those of fetch, of Node's shared agents, and calls over gRPC. */
export function outboundPools(): Record<string, Pool> {
  const pools: Record<string, Pool> = {}
  for (const [service, inUse] of calls) pools[service] = { inUse, waiting: 0, idle: 0 }
  const dispatcher = (globalThis as { [FETCH_DISPATCHER]?: { stats?: Record<string, FetchStats> } })[FETCH_DISPATCHER]
  for (const [origin, { connected, free, queued, running }] of Object.entries(dispatcher?.stats ?? {}))
    pools[origin] = { inUse: running, waiting: queued, idle: Math.min(free, connected) }
  // Loaded here: a function that calls nobody needs no TLS.
  const { globalAgent: tlsAgent } = process.getBuiltinModule('node:https')
  for (const agent of [plainAgent, tlsAgent])
    for (const [name, pool] of poolsOf(agent)) {
      const known = pools[name] ?? { inUse: 0, waiting: 0, idle: 0 }
      pools[name] = {
        inUse: known.inUse + pool.inUse,
        waiting: known.waiting + pool.waiting,
        idle: known.idle + pool.idle,
      }
    }
  return pools
}

/** An agent names its pools `host:port:…`. */
function* poolsOf({ sockets, freeSockets, requests }: Agent): Generator<[string, Pool]> {
  const names = new Set([sockets, freeSockets, requests].flatMap((kept) => Object.keys(kept)))
  for (const name of names) {
    const origin = name.split(':').slice(0, 2).join(':')
    const count = (kept: NodeJS.ReadOnlyDict<unknown[]>) => kept[name]?.length ?? 0
    yield [origin, { inUse: count(sockets), waiting: count(requests), idle: count(freeSockets) }]
  }
}
