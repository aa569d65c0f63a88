import type * as z from 'zod'

import type { BreakerConfig, ProviderConfig } from '../config.ts'
import type { CreditsLeft } from '../operations/health/provider-checks.ts'
import type { Languages, PortName, Ports } from '../podcast/ports.ts'
import type { Guard } from './call-provider.ts'
import type { HeardReader } from './heard-answer.ts'
import type { ProviderErrorFields } from './provider-error.ts'

/** Reads a provider's own words in an error answer; what it returns overrides what the status alone says. */
export type Explain = (status: number, body: string) => Partial<ProviderErrorFields>

/** How a provider hands the token of a job back to us: in a header that we name, or in the query of the URL. */
export type Hook = { readonly tokenIn: 'header' | 'query'; readonly name: string }

/** A unit in which a provider charges, as the dashboard shows it. */
export type CostMetric = {
  /** What is counted, for operators. */
  readonly meaning: string
  /** UCUM, as Cloud Monitoring takes it. */
  readonly unit: string
  /** Upper bound of the smallest bucket. */
  readonly scale: number
}

/** How one provider is spoken to: everything that its definition and the configuration say about it. */
export type Account<Settings = Readonly<Record<string, unknown>>> = {
  readonly name: string
  readonly config: ProviderConfig & { readonly settings: Settings }
  readonly explain: Explain
  readonly hook: Hook | undefined
}
/** The same with what guards its calls; one guard per provider and instance, whatever it is used for. */
export type GuardedAccount<Settings = Readonly<Record<string, unknown>>> = Account<Settings> & { readonly guard: Guard }

type Variables<Name extends string, End extends string, Value> = Readonly<
  Record<`${Uppercase<Name>}_${End}`, z.ZodType<Value>>
>
type Parsed<Settings> = { readonly [Name in keyof Settings]: z.output<Settings[Name]> }

/** Everything there is to know about a provider without speaking to it. */
export type Provider<
  Name extends string = string,
  Port extends PortName = PortName,
  Calls extends Hook | undefined = Hook | undefined,
> = {
  readonly name: Name
  /** As its vendor spells it. */
  readonly title: string
  /** Its variables: `NAME_BASE_URL`, and whatever else begins with `NAME_`. */
  readonly settings: Readonly<Record<string, z.ZodType>>
  /** `NAME_API_KEY`. */
  readonly secrets: Variables<Name, 'API_KEY', string | undefined>
  /** For each port that it implements, what loads and makes the implementation. */
  readonly make: { readonly [P in Port]: (account: GuardedAccount) => Promise<Ports[P]> }
  readonly explain: Explain
  /** Undefined when it never calls back. */
  readonly hook: Calls
  /**
   * Asks for something that is free: whether it answers, takes our key, and has been paid.
   * @throws ProviderError like any call
   */
  readonly check: (account: Account, signal: AbortSignal) => Promise<CreditsLeft | undefined>
  readonly costs: Readonly<Record<string, CostMetric>>
  /** What each kind of call costs, made once and as small as can be, in US cents at its published prices. */
  readonly trial: { readonly cents: number; readonly why: string }
  /** What loads the reader of its answers about a recording; undefined when it transcribes nothing. */
  readonly readHeard: (() => Promise<HeardReader>) | undefined
  /** Of what it transcribes; undefined: any. */
  readonly languages: Languages | undefined
  /** What its breaker does otherwise than all do. */
  readonly breaker: BreakerConfig
  /** Ports at which others keep a job, and it answers at once and keeps nothing. */
  readonly answersAtOnce: readonly PortName[]
  /** Ports that have a breaker of their own, by its name: what can fail alone is not to take the others along. */
  readonly breakers: { readonly [P in PortName]?: string }
}

/** A provider of which it does not matter which ports it implements. */
export type AnyProvider = Omit<Provider, 'make' | 'secrets'> & {
  readonly make: Partial<Provider['make']>
  readonly secrets: Readonly<Record<string, z.ZodType>>
}

/**
 * Defines a provider. The definition is loaded by every function, so `make` and `check` import the client when they are
 * called.
 *
 * @example
 * export const parrot = defineProvider({
 *   name: 'parrot',
 *   title: 'Parrot',
 *   settings: { PARROT_BASE_URL: baseUrl.default('https://api.parrot.example').describe('another region, or a proxy') },
 *   secrets: { PARROT_API_KEY: text.optional().describe("Parrot's key") },
 *   make: { writers: async (account) => (await import('./client.ts')).makeWriter(account) },
 *   check: async (account, signal) => (await import('./client.ts')).checkAccount(account, signal),
 *   costs: {},
 *   trial: { cents: 1, why: 'one word' },
 * })
 */
export function defineProvider<
  const Name extends string,
  const Settings extends Variables<Name, 'BASE_URL', string>,
  Port extends PortName,
  const Calls extends Hook | undefined = undefined,
>(definition: {
  readonly name: Name
  readonly title: string
  readonly settings: Settings & { readonly [Other in Exclude<keyof Settings, `${Uppercase<Name>}_${string}`>]: never }
  readonly secrets: Variables<Name, 'API_KEY', string | undefined>
  readonly make: { readonly [P in Port]: (account: GuardedAccount<Parsed<Settings>>) => Promise<Ports[P]> }
  readonly explain?: Explain
  readonly hook?: Calls
  readonly check: (account: Account<Parsed<Settings>>, signal: AbortSignal) => Promise<CreditsLeft | undefined>
  readonly costs: Readonly<Record<string, CostMetric>>
  readonly trial: { readonly cents: number; readonly why: string }
  readonly readHeard?: () => Promise<HeardReader>
  readonly languages?: Languages
  readonly breaker?: BreakerConfig
  readonly answersAtOnce?: readonly NoInfer<Port>[]
  readonly breakers?: { readonly [P in Port]?: string }
}): Provider<Name, Port, Calls> {
  const none = {
    explain: () => ({}),
    hook: undefined,
    readHeard: undefined,
    languages: undefined,
    breaker: {},
    answersAtOnce: [],
    breakers: {},
  }
  const whole = { ...none, ...definition }
  // Configuration parses a provider's settings with these very schemas.
  return whole as unknown as Provider<Name, Port, Calls>
}
