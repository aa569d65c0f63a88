import { PORT_NAMES } from '../podcast/ports.ts'
import type { Languages, PortLists, PortName } from '../podcast/ports.ts'
import type { Guard } from '../providers/call-provider.ts'
import type { Account } from '../providers/definition.ts'
import { providerNamed, PROVIDERS } from '../providers/providers.ts'
import type { ProviderName } from '../providers/providers.ts'
import { ConcurrencyLimit } from '../resilience/concurrency-limit.ts'
import { RetryBudget } from '../resilience/retry-budget.ts'
import type { SharedBreakers } from './breakers.ts'
import type { Configuration } from './config.ts'

/** Providers that some port goes to, in pipeline order. */
export function listProvidersInUse({ providerOrder }: Configuration): ProviderName[] {
  const used = new Set(Object.values(providerOrder).flat())
  return PROVIDERS.map(({ name }) => name).filter((name) => used.has(name))
}

/** The breaker that guards a provider in what it does for a port. */
export function breakerOf(provider: ProviderName, port: PortName): string {
  return providerNamed(provider).breakers[port] ?? provider
}

/** The breakers of all of them, in the same order, each with the ports that it guards. */
export function listBreakersInUse(
  config: Configuration,
): { name: string; provider: ProviderName; ports: PortName[] }[] {
  const breakers = listProvidersInUse(config).flatMap((provider) => {
    const ports = PORT_NAMES.filter((port) => config.providerOrder[port].includes(provider))
    const names = [...new Set(ports.map((port) => breakerOf(provider, port)))]
    return names.map((name) => ({ name, provider, ports: ports.filter((port) => breakerOf(provider, port) === name) }))
  })
  return breakers
}

/** What some transcriber takes that is configured. */
export function languagesOf({ providerOrder }: Pick<Configuration, 'providerOrder'>): Languages {
  const some = providerOrder.transcribers.map((name) => providerNamed(name).languages)
  return {
    list: [...new Set(some.flatMap((one) => one?.list ?? []))].toSorted(),
    takes: (language) => some.some((one) => one?.takes(language) ?? true),
  }
}

/** A provider's definition and what is configured about it. */
export function accountOf(config: Configuration, name: ProviderName): Account {
  const { explain, hook } = providerNamed(name)
  return { name, explain, hook, config: config.providers[name] }
}

/**
 * Loads the providers behind some ports, in the order that configuration says. Lists of the other ports stay empty:
 * their clients are not loaded.
 */
export async function loadPorts(
  config: Configuration,
  breakers: SharedBreakers,
  ports: readonly PortName[],
): Promise<PortLists> {
  const guards = new Map<string, Guard>()
  const guardOf = (provider: ProviderName, port: PortName): Guard => {
    const name = breakerOf(provider, port)
    const breaker = breakers[name]
    if (breaker === undefined) throw new Error(`there is no breaker ${name}`)
    const fresh = { limit: new ConcurrencyLimit(() => performance.now()), budget: new RetryBudget() }
    const guard = guards.get(name) ?? { provider, breaker, ...fresh }
    guards.set(name, guard)
    return guard
  }
  const load = <Port extends PortName>(port: Port): Promise<PortLists[Port]> => {
    if (!ports.includes(port)) return Promise.resolve([])
    const loading = config.providerOrder[port].map((name) => {
      const make = providerNamed(name).make[port]
      if (make === undefined) throw new Error(`${name} does not implement ${port}`)
      return make({ ...accountOf(config, name), guard: guardOf(name, port) })
    })
    return Promise.all(loading) as Promise<PortLists[Port]>
  }
  const [transcribers, writers, speakers, masterings] = await Promise.all([
    load('transcribers'),
    load('writers'),
    load('speakers'),
    load('masterings'),
  ])
  return { transcribers, writers, speakers, masterings }
}
