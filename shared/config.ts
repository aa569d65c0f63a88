import type * as z from 'zod'

import { BREAKER_VARIABLES, breakerPrefix, breakerVariables, Environment, PLAN_NAMES } from './environment.ts'
import type { BreakerSetting, ParsedEnvironment } from './environment.ts'

export { PLAN_NAMES }

export type PlanName = (typeof PLAN_NAMES)[number]

/** A signer whose ID tokens we accept, and where its public keys are published. */
type TokenIssuer = { issuer: string; jwksUrl: string }

/** What is set of a breaker's settings; shared/breaker/settings.ts has the defaults of the rest. */
export type BreakerConfig = { readonly [Setting in BreakerSetting]?: number }

export type ProviderConfig = {
  /** Empty in a function that makes no call to it. */
  apiKey: string
  baseUrl: string
  /** Whether the provider can fetch our signed storage URLs; otherwise audio is sent as bytes. */
  canReachStorage: boolean
  /** Whether the provider can call our webhooks; otherwise results are only polled. */
  canReachWebhooks: boolean
  /** Values of all its variables that are no secrets, by their names. */
  settings: Readonly<Record<string, unknown>>
}

/** What configuration must know of a provider; its variables are `NAME_BASE_URL`, `NAME_API_KEY` and its own. */
type ProviderVariables = {
  readonly name: string
  readonly settings: Readonly<Record<string, z.ZodType>>
  readonly secrets: Readonly<Record<string, z.ZodType>>
  readonly breaker: BreakerConfig
  /** By port, the name of a breaker of its own. */
  readonly breakers?: Readonly<Record<string, string | undefined>>
}

/** What the rooms above bring along to be configured. */
export type ConfigParts = {
  readonly providers: readonly ProviderVariables[]
  /** By port, whose name in capitals is the variable: names of providers, in order. */
  readonly orders: Readonly<Record<string, z.ZodType<string[]>>>
  readonly breakers: readonly string[]
  /** Names of the fallbacks that there are, of which `FALLBACKS` lists some. */
  readonly fallbacks: z.ZodType<string[]>
}

export type Config = {
  projectId: string
  region: string
  bucket: string
  /** Which of the project's Firestore databases. */
  databaseId: string
  /** Base of every function's URL, without a trailing slash: the audience of service tokens starts with it. */
  functionsBaseUrl: string
  /** Base under which providers reach our webhooks. */
  webhooksBaseUrl: string
  userTokens: TokenIssuer
  serviceTokens: TokenIssuer
  tasksServiceAccount: string
  schedulerServiceAccount: string
  /** `host:port` of a Cloud Tasks service without TLS; undefined means Google's. */
  tasksApiEndpoint: string | undefined
  /** Origin of a Cloud Storage service; undefined means Google's. */
  storageApiEndpoint: string | undefined
  bodyBytesMax: number
  /** Origins whose pages may call what people call. */
  corsAllowedOrigins: readonly string[]
  /** False: only refused, failed and slow requests have a line in the log. */
  logEveryRequest: boolean
  slowRequestMs: number
  verySlowRequestMs: number
  episodeDeadlineMs: number
  /** The plan of a person whose token names none. */
  defaultPlan: PlanName
  /** A step whose provider cannot be used takes its fallback after so long. */
  fallbackAfterMs: number
  /** Which fallbacks may be taken at all. */
  fallbacks: readonly string[]
  /** How soon a fallback's result is asked for again at its provider, at first. */
  upgradeAfterMs: number
  /** The ffmpeg to run; undefined: the one on PATH, else the one in the package. */
  ffmpegPath: string | undefined
  /** An episode without progress for so long is marked `error`. */
  stuckEpisodeMs: number
  /** A step that nobody looks after for so long is given to another attempt. */
  stalledStepMs: number
  /** Stored objects that their episode does not refer to are removed at this age. */
  orphanAgeMs: number
  /** A worker that was not heard of for this long has lost its step. Longer than the call that submits a transcription. */
  stepLeaseMs: number
  /** How soon a job is asked for although its provider said it would call. */
  safetyPollMs: number
  /** What signs the tokens of webhooks, newest first; tokens are made with the first, and taken with any. */
  webhookSecrets: readonly string[]
  providers: Readonly<Record<string, ProviderConfig>>
  /** By port: the providers to go to, the first first. */
  providerOrder: Readonly<Record<string, readonly string[]>>
  breakers: Readonly<Record<string, BreakerConfig>>
}

/** The environment cannot be used as it is; the message names every bad variable and what was expected of it. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Storage fails in short bursts under load, and nothing goes on without it: once it is back, that is seen within a minute.
 * Firestore's breaker is one instance's, and only spares it the waiting.
 */
const OWN_SETTINGS: Readonly<Record<string, BreakerConfig>> = {
  gcs: { failureThreshold: 10, recoveryMs: 30_000, recoveryMaxMs: 60_000 },
  firestore: { failureThreshold: 10, recoveryMs: 5_000, recoveryMaxMs: 30_000, rampMs: 0 },
}

/** Reads, trims and validates the environment. Empty values count as absent. */
type LoadConfig = (
  environment: Record<string, string | undefined>,
  /** Secrets that this process cannot do without; those of providers that no port goes to are left out. */
  needed: readonly string[],
) => Config

/**
 * Makes what reads the environment, with one schema for everything.
 * @param parts what the rooms above have to be configured
 * @returns a function that throws ConfigError, naming each bad variable; values are never repeated, because some are
 *   secrets
 */
export function makeConfigLoader(parts: ConfigParts): LoadConfig {
  const schema = schemaOf(parts)
  return (environment, needed) => load(environment, { parts, schema, needed })
}

function load(
  environment: Record<string, string | undefined>,
  { parts, schema, needed }: { parts: ConfigParts; schema: z.ZodType<Parsed>; needed: readonly string[] },
): Config {
  const filled = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value.trim() !== ''),
  )
  const parsed = schema.safeParse(filled)
  const idle = parsed.success ? listIdleSecrets(parts, orderIn(parsed.data, parts)) : new Set<string>()
  const complaints = [
    ...(parsed.error?.issues ?? []).map((issue) =>
      filled[String(issue.path[0])] === undefined
        ? `${issue.path.join('.')} is not set`
        : `${issue.path.join('.')}: ${issue.message}`,
    ),
    ...needed.filter((name) => filled[name] === undefined && !idle.has(name)).map((name) => `${name} is not set`),
  ]
  if (!parsed.success || complaints.length > 0) throw new ConfigError(`Configuration: ${complaints.join('; ')}`)
  const env = parsed.data
  const project = env.GOOGLE_CLOUD_PROJECT
  const region = env.FUNCTION_REGION
  const functionsBaseUrl = env.FUNCTIONS_BASE_URL ?? `https://${region}-${project}.cloudfunctions.net`
  const config: Config = {
    projectId: project,
    region,
    bucket: env.STORAGE_BUCKET,
    databaseId: env.FIRESTORE_DATABASE,
    functionsBaseUrl,
    webhooksBaseUrl: env.PUBLIC_BASE_URL ?? functionsBaseUrl,
    userTokens: {
      issuer: env.USER_TOKEN_ISSUER ?? `https://securetoken.google.com/${project}`,
      jwksUrl: env.USER_TOKEN_JWKS_URL,
    },
    serviceTokens: { issuer: env.SERVICE_TOKEN_ISSUER, jwksUrl: env.SERVICE_TOKEN_JWKS_URL },
    tasksServiceAccount: env.TASKS_SERVICE_ACCOUNT ?? `steadycast-tasks@${project}.iam.gserviceaccount.com`,
    schedulerServiceAccount: env.SCHEDULER_SERVICE_ACCOUNT ?? `steadycast-scheduler@${project}.iam.gserviceaccount.com`,
    tasksApiEndpoint: env.TASKS_API_ENDPOINT,
    storageApiEndpoint: env.STORAGE_API_ENDPOINT,
    bodyBytesMax: env.MAX_REQUEST_SIZE_BYTES,
    corsAllowedOrigins: env.CORS_ALLOWED_ORIGINS,
    logEveryRequest: env.REQUEST_LOG === 'all',
    slowRequestMs: env.SLOW_REQUEST_THRESHOLD_SECONDS * 1000,
    verySlowRequestMs: env.VERY_SLOW_REQUEST_THRESHOLD_SECONDS * 1000,
    episodeDeadlineMs: env.EPISODE_DEADLINE_HOURS * 3_600_000,
    defaultPlan: env.DEFAULT_PLAN,
    fallbackAfterMs: env.FALLBACK_AFTER_SECONDS * 1000,
    fallbacks: env['FALLBACKS'] as string[],
    upgradeAfterMs: env.UPGRADE_AFTER_SECONDS * 1000,
    ffmpegPath: env.FFMPEG_PATH,
    stuckEpisodeMs: env.STUCK_EPISODE_THRESHOLD_HOURS * 3_600_000,
    stalledStepMs: env.STALLED_STEP_THRESHOLD_SECONDS * 1000,
    orphanAgeMs: env.ORPHAN_AGE_HOURS * 3_600_000,
    stepLeaseMs: env.STEP_LEASE_SECONDS * 1000,
    safetyPollMs: env.SAFETY_POLL_SECONDS * 1000,
    webhookSecrets: [env.WEBHOOK_SECRET, env.WEBHOOK_SECRET_PREVIOUS].filter((secret) => secret !== undefined),
    providers: Object.fromEntries(parts.providers.map((one) => [one.name, provider(env, one, functionsBaseUrl)])),
    providerOrder: orderIn(env, parts),
    breakers: Object.fromEntries(parts.breakers.map((name) => [name, breaker(env, name, ownSettings(parts, name))])),
  }
  refuseLocalIssuerInTheCloud(env, config)
  return deepFreeze(config)
}

/** Secrets of providers that no port goes to. */
export function listIdleSecrets(
  { providers }: Pick<ConfigParts, 'providers'>,
  order: Config['providerOrder'],
): ReadonlySet<string> {
  const used = new Set(Object.values(order).flat())
  return new Set(providers.flatMap(({ name, secrets }) => (used.has(name) ? [] : Object.keys(secrets))))
}

type Parsed = ParsedEnvironment & Readonly<Record<string, unknown>>

function schemaOf({ providers, orders, breakers, fallbacks }: ConfigParts): z.ZodType<Parsed> {
  const variables = [
    ...providers.flatMap(({ settings, secrets }) => [settings, secrets]),
    Object.fromEntries(Object.entries(orders).map(([port, schema]) => [port.toUpperCase(), schema])),
    { FALLBACKS: fallbacks },
    breakerVariables(breakers),
  ]
  const whole = Environment.extend(Object.assign({}, ...variables) as Record<string, z.ZodType>)
  return whole as unknown as z.ZodType<Parsed>
}

function orderIn(env: Parsed, { orders }: ConfigParts): Config['providerOrder'] {
  return Object.fromEntries(Object.keys(orders).map((port) => [port, env[port.toUpperCase()] as string[]]))
}

function provider(env: Parsed, { name, settings }: ProviderVariables, functionsBaseUrl: string): ProviderConfig {
  const prefix = name.toUpperCase()
  const url = env[`${prefix}_BASE_URL`] as string
  const reachesLoopback = isLoopback(url)
  const storageIsLocal = env.STORAGE_API_ENDPOINT !== undefined && isLoopback(env.STORAGE_API_ENDPOINT)
  return {
    apiKey: (env[`${prefix}_API_KEY`] as string | undefined) ?? '',
    baseUrl: url,
    canReachStorage: !storageIsLocal || reachesLoopback,
    canReachWebhooks: env.PUBLIC_BASE_URL !== undefined || !isLoopback(functionsBaseUrl) || reachesLoopback,
    settings: Object.fromEntries(Object.keys(settings).map((variable) => [variable, env[variable]])),
  }
}

function ownSettings({ providers }: ConfigParts, name: string): BreakerConfig {
  // A port's breaker behaves as its provider's does, as long as nothing else is set for it.
  const owner = providers.find((one) => one.name === name || Object.values(one.breakers ?? {}).includes(name))
  return owner?.breaker ?? OWN_SETTINGS[name] ?? {}
}

/** What is set for this breaker, else what it has by itself, else what is set for all. */
function breaker(env: Parsed, name: string, own: BreakerConfig): BreakerConfig {
  const set = (prefix: string) =>
    Object.entries(BREAKER_VARIABLES).flatMap(([end, { setting }]) => {
      const value = env[`${prefix}${end}`]
      return value === undefined ? [] : [[setting, value]]
    })
  return { ...Object.fromEntries(set('BREAKER_')), ...own, ...Object.fromEntries(set(breakerPrefix(name))) }
}

/**
 * A token anybody can mint on a developer's machine must open nothing on Cloud Run, which always sets K_SERVICE. The
 * Functions emulator sets it too, and says so.
 */
function refuseLocalIssuerInTheCloud(env: ParsedEnvironment, config: Config): void {
  if (env.K_SERVICE === undefined || env.FUNCTIONS_EMULATOR === 'true') return
  for (const [name, { issuer, jwksUrl }] of [
    ['USER_TOKEN_ISSUER', config.userTokens],
    ['SERVICE_TOKEN_ISSUER', config.serviceTokens],
  ] as const) {
    if (isLoopback(issuer) || isLoopback(jwksUrl) || !jwksUrl.startsWith('https:'))
      throw new ConfigError(`Configuration: ${name} is a local issuer, which is refused where K_SERVICE is set`)
  }
}

function isLoopback(url: string): boolean {
  const host = new URL(url).hostname
  return host === 'localhost' || host === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(host)
}

function deepFreeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) deepFreeze(inner)
  return Object.freeze(value)
}
