import { listIdleSecrets, makeConfigLoader } from '../config.ts'
import type { BreakerConfig, Config, ProviderConfig } from '../config.ts'
import { breakerVariables, SECRETS as OWN_SECRETS, SETTINGS as OWN_SETTINGS, someOf } from '../environment.ts'
import { FALLBACKS } from '../podcast/pipeline.ts'
import { ORDERS } from '../providers/orders.ts'
import type { ProviderOrder } from '../providers/orders.ts'
import { PROVIDER_BREAKERS, PROVIDERS } from '../providers/providers.ts'
import type { ProviderName, ProviderSecretName } from '../providers/providers.ts'

/** What has a circuit breaker that the fleet shares: every provider, some of its ports, and Cloud Storage. */
export const SHARED_BREAKERS = [...Object.keys(PROVIDER_BREAKERS), 'gcs'] as readonly SharedBreakerName[]
/** Firestore's own is each instance's own: it could not be kept in what it guards. */
export const BREAKERS = [...SHARED_BREAKERS, 'firestore'] as readonly BreakerName[]
/** Of a provider's port a name that only its definition knows. */
export type SharedBreakerName = ProviderName | 'gcs' | (string & Record<never, never>)
type BreakerName = SharedBreakerName | 'firestore'

const WITHOUT_PROVIDER = someOf(FALLBACKS)
  .default([...FALLBACKS])
  .describe('fallbacks that may be taken at all; `none` for none')

/** How it behaves, and how providers are used: yours to set. */
export const SETTINGS = Object.assign(
  { ...OWN_SETTINGS, FALLBACKS: WITHOUT_PROVIDER },
  Object.fromEntries(Object.entries(ORDERS).map(([port, schema]) => [port.toUpperCase(), schema])),
  ...PROVIDERS.map(({ settings }) => settings),
) as typeof OWN_SETTINGS & (typeof PROVIDERS)[number]['settings']
export const BREAKER_SETTINGS = breakerVariables(BREAKERS)
/** Secrets, of ours and of providers. */
export const SECRETS = Object.assign({}, ...PROVIDERS.map(({ secrets }) => secrets), OWN_SECRETS) as Record<
  SecretName,
  typeof OWN_SECRETS.WEBHOOK_SECRET
>
export type SecretName = keyof typeof OWN_SECRETS | ProviderSecretName

/** The configuration, with every provider and breaker that there is. */
export type Configuration = Config & {
  readonly providers: Readonly<Record<ProviderName, ProviderConfig>>
  readonly providerOrder: ProviderOrder
  readonly breakers: Readonly<Record<ProviderName | 'gcs' | 'firestore', BreakerConfig>> &
    Readonly<Record<string, BreakerConfig>>
}

const PARTS = { providers: PROVIDERS, orders: ORDERS, breakers: BREAKERS, fallbacks: WITHOUT_PROVIDER }
const load = makeConfigLoader(PARTS)
/** What a process needs that may call every provider. */
const PROVIDER_SECRETS = PROVIDERS.flatMap(({ secrets }) => Object.keys(secrets) as ProviderSecretName[])

/**
 * Reads, trims and validates the environment once, variables of providers included.
 * @param needed the secrets that this process cannot do without; those of providers that no port goes to are left out
 * @throws ConfigError naming each bad variable
 */
export function loadConfiguration(
  environment: Record<string, string | undefined>,
  needed: readonly SecretName[] = PROVIDER_SECRETS,
): Configuration {
  // It has an entry for each of the parts.
  return load(environment, needed) as unknown as Configuration
}

let ofProcess: Configuration | undefined

/**
 * That of this process's own environment, read at the first call alone: reading takes a processor milliseconds.
 * @param needed as above, at the first call
 * @throws ConfigError naming each bad variable, at the first call
 */
export function processConfiguration(needed: readonly SecretName[] = []): Configuration {
  ofProcess ??= loadConfiguration(process.env, needed)
  return ofProcess
}

/** Secrets of providers that no port goes to. */
export function listUnusedSecrets({ providerOrder }: Pick<Configuration, 'providerOrder'>): ReadonlySet<string> {
  return listIdleSecrets(PARTS, providerOrder)
}
