import { assemblyai } from './assemblyai/provider.ts'
import { auphonic } from './auphonic/provider.ts'
import { JOB_PORTS } from '../podcast/ports.ts'
import type { PortName } from '../podcast/ports.ts'
import type { AnyProvider, Hook } from './definition.ts'
import { elevenlabs } from './elevenlabs/provider.ts'
import { gemini } from './gemini/provider.ts'

/**
 * THE LIST, in pipeline order, and of those that can do the same in the order in which they are asked: whatever has to
 * know every provider derives it from here.
 */
const LIST = [assemblyai, gemini, elevenlabs, auphonic] as const

type Listed = (typeof LIST)[number]
export type ProviderName = Listed['name']
/** Those that tell us by a webhook when a job has news. */
export type CallingProviderName = Extract<Listed, { hook: Hook }>['name']
/** The variables that hold their keys. */
export type ProviderSecretName = `${Uppercase<ProviderName>}_API_KEY`

export const PROVIDERS: readonly (AnyProvider & { readonly name: ProviderName })[] = LIST
export const PROVIDER_NAMES = LIST.map(({ name }) => name) as unknown as readonly [ProviderName, ...ProviderName[]]

export const CALLING_PROVIDER_NAMES = PROVIDERS.flatMap(({ name, hook }) =>
  hook === undefined ? [] : [name],
) as readonly CallingProviderName[]

/** The breakers of providers, and whose each is. */
export const PROVIDER_BREAKERS: Readonly<Record<string, ProviderName>> = Object.fromEntries(
  PROVIDERS.flatMap(({ name, breakers }) => [name, ...Object.values(breakers)].map((breaker) => [breaker, name])),
)

export function providerNamed(name: ProviderName): AnyProvider {
  const found = PROVIDERS.find((one) => one.name === name)
  if (found === undefined) throw new Error(`there is no provider ${name}`)
  return found
}

/** The secrets of every provider that implements one of the ports. */
export function secretsFor(...ports: readonly PortName[]): ProviderSecretName[] {
  return secretsOf(({ make }) => ports.some((port) => Object.hasOwn(make, port)))
}

/** The secrets of every provider that can keep a job of an episode. */
export function secretsForJobs(): ProviderSecretName[] {
  return secretsOf(({ make, answersAtOnce }) =>
    JOB_PORTS.some((port) => Object.hasOwn(make, port) && !answersAtOnce.includes(port)),
  )
}

function secretsOf(isOne: (provider: AnyProvider) => boolean): ProviderSecretName[] {
  return PROVIDERS.filter(isOne).flatMap(({ secrets }) => Object.keys(secrets) as ProviderSecretName[])
}
