import { accountOf } from '../../shared/dependencies/providers.ts'
import { loadConfiguration } from '../../shared/dependencies/config.ts'
import { CircuitBreaker } from '../../shared/breaker/breaker.ts'
import type { PortName } from '../../shared/podcast/ports.ts'
import type { Account } from '../../shared/providers/definition.ts'
import { meaningOf } from '../../shared/providers/provider-error.ts'
import { providerNamed } from '../../shared/providers/providers.ts'
import type { ProviderName } from '../../shared/providers/providers.ts'
import { ConcurrencyLimit } from '../../shared/resilience/concurrency-limit.ts'
import { RetryBudget } from '../../shared/resilience/retry-budget.ts'
import { Faults } from '../local/faults.ts'
import { Journal } from '../local/journal.ts'
import { WorkLog } from '../local/providers/stand-in.ts'
import { STAND_INS } from '../local/providers/stand-ins.ts'
import { Recorder } from './recorder.ts'
import type { Exchange } from './recorder.ts'
import type { Seen } from './report.ts'
import { VISITS } from './visits.ts'
import type { VisitOptions } from './visits.ts'

export type SmokeOptions = {
  /** Keys, addresses and settings of providers. */
  readonly environment: Record<string, string | undefined>
  readonly recordingPath: string
  readonly pollMs: number
  readonly say: (line: string) => void
}

const STAND_IN_KEY = 'stand-in-key'
const VISIT_MS_MAX = 15 * 60_000

/** Visits providers with the deployed clients, then their stand-ins, and gives what both answered. */
export async function smoke(
  names: readonly ProviderName[],
  options: SmokeOptions,
): Promise<(Seen & { readonly failed: boolean })[]> {
  const all: (Seen & { failed: boolean })[] = []
  for (const name of names) {
    const real = await visitThrough(accountIn(options.environment, name), options)
    const standIn = await visitStandIn(name, options)
    const notes = [...real.notes, ...standIn.failures.map((failure) => `the stand-in: ${failure}`)]
    all.push({
      provider: name,
      real: real.exchanges,
      standIn: standIn.exchanges,
      notes,
      failed: real.failures.length > 0,
    })
  }
  return all
}

type Visited = { exchanges: Exchange[]; notes: string[]; failures: string[] }

/** Makes every call that we make of a provider, with what was answered written down on the way. */
export async function visitThrough(account: Account, options: SmokeOptions): Promise<Visited> {
  const recorder = new Recorder(account.config.baseUrl)
  const baseUrl = await recorder.start()
  // Nothing of this machine can be reached from there: recordings are sent, and jobs are asked for.
  const config = { ...account.config, baseUrl, canReachStorage: false, canReachWebhooks: false }
  const visited: Visited = { exchanges: recorder.exchanges, notes: [], failures: [] }
  const attempt = async (what: string, work: () => Promise<unknown>) => {
    try {
      await work()
    } catch (error) {
      const failure = `${what} failed: ${error instanceof Error ? error.message : String(error)}`
      visited.notes.push(failure)
      visited.failures.push(failure)
      options.say(`${account.name}: ${failure}`)
    }
  }
  try {
    await visitAll({ ...account, config }, options, { attempt, visited })
  } finally {
    await recorder.stop()
  }
  return visited
}

async function visitAll(
  account: Account,
  options: SmokeOptions,
  { attempt, visited }: { attempt: (what: string, work: () => Promise<unknown>) => Promise<void>; visited: Visited },
): Promise<void> {
  const provider = providerNamed(account.name as ProviderName)
  const signal = AbortSignal.timeout(VISIT_MS_MAX)
  const say = (what: string) => {
    visited.notes.push(what)
    options.say(`${account.name}: ${what}`)
  }
  const { recordingPath, pollMs } = options
  const visit: VisitOptions = {
    recordingPath,
    pollMs,
    say,
    call: { signal, correlationId: 'smoke', random: Math.random },
  }
  await attempt('the free check', () => provider.check(account, signal))
  for (const port of Object.keys(provider.make) as PortName[])
    await attempt(port, async () =>
      visitPort(port, await provider.make[port]?.({ ...account, guard: guardOf(account.name) }), visit),
    )
}

function visitPort(port: PortName, implementation: unknown, options: VisitOptions): Promise<void> {
  return (VISITS[port] as (one: unknown, more: VisitOptions) => Promise<void>)(implementation, options)
}

async function visitStandIn(name: ProviderName, options: SmokeOptions): Promise<Visited> {
  const { basePath, makeServers } = STAND_INS[name]
  const world = { faults: new Faults(), journal: new Journal(), apiKey: STAND_IN_KEY, pace: { factor: 0 } }
  const { api, behind } = makeServers(world, new WorkLog())
  const servers = [...behind, api]
  for (const server of servers) await server.start()
  try {
    const prefix = name.toUpperCase()
    const environment = {
      ...options.environment,
      [`${prefix}_API_KEY`]: STAND_IN_KEY,
      [`${prefix}_BASE_URL`]: `${api.origin}${basePath}`,
    }
    return await visitThrough(accountIn(environment, name), { ...options, pollMs: 50, say: () => undefined })
  } finally {
    for (const server of servers) await server.stop()
  }
}

/** A provider's account, as these variables have it. */
export function accountIn(environment: Record<string, string | undefined>, name: ProviderName): Account {
  return accountOf(loadConfiguration({ ...environment, GOOGLE_CLOUD_PROJECT: 'p', STORAGE_BUCKET: 'b' }, []), name)
}

/** Real calls are few, and none is to be held back. */
function guardOf(provider: string) {
  const breaker = new CircuitBreaker({ name: provider, classify: meaningOf, settings: { failureThreshold: 1_000 } })
  return { provider, breaker, limit: new ConcurrencyLimit(() => performance.now()), budget: new RetryBudget() }
}
