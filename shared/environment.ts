import * as z from 'zod'

/** What people may use comes in these sizes; shared/quotas/plans.ts has the figures. */
export const PLAN_NAMES = ['starter', 'standard', 'unlimited'] as const

/* Schemas of variables, for ours and for those of providers. */
export const text = z.string().trim().min(1)
export const baseUrl = z
  .string()
  .trim()
  .regex(/^https?:\/\/[^\s/?#][^\s?#]*$/, 'expected an http(s) URL without a query')
  .transform((url) => url.replace(/(?<!\/)\/+$/, ''))
const number = (minimum: number, maximum = Number.MAX_SAFE_INTEGER) =>
  z.string().trim().transform(Number).pipe(z.number().min(minimum).max(maximum))
/** The longest that a timer of Node can wait. */
const SECONDS_MAX = 2_147_483
/* One schema serves every variable of its kind: each instance makes all of them when it starts. */
const count = number(1)
const amount = number(0)
const milliseconds = (seconds: typeof amount) => seconds.transform((value) => value * 1000)
const duration = milliseconds(number(0, SECONDS_MAX))
const someTime = milliseconds(number(0.001, SECONDS_MAX))
const whole = count.pipe(z.int())
const oneOf = <Name extends string>(known: readonly [Name, ...Name[]]) => z.string().trim().pipe(z.enum(known))
const origins = z
  .string()
  .transform((list) =>
    list
      .split(',')
      .map((origin) => origin.trim())
      .filter((origin) => origin !== ''),
  )
  .pipe(
    z.array(
      z.string().regex(/^https?:\/\/[^\s/?#*]+$/, 'expected origins such as https://app.example, comma-separated'),
    ),
  )
/** `none`, or some of the names, comma-separated. */
export const someOf = (known: readonly string[]) =>
  z
    .string()
    .transform((list) => (list.trim() === 'none' ? [] : list.split(',').map((name) => name.trim())))
    .pipe(z.array(z.enum(known, `expected none, or some of ${known.join(', ')}`)))
/** Some of the names, comma-separated, the first first. */
export const order = (known: readonly string[]) =>
  z
    .string()
    .transform((list) => list.split(',').map((name) => name.trim()))
    .pipe(z.array(z.enum(known, `expected some of ${known.join(', ')}`)))
    .refine((list) => new Set(list).size === list.length, 'expected each name once')
const hostPort = z
  .string()
  .trim()
  .regex(/^[\w.-]+:\d{1,5}$/, 'expected host:port')

/** Where this is: set by the deployment and by the local cloud, not by hand. */
export const PLACE = {
  GOOGLE_CLOUD_PROJECT: text.describe('the project'),
  FUNCTION_REGION: text.default('us-central1').describe('the region of functions and queues'),
  STORAGE_BUCKET: text.describe('the bucket of recordings and results'),
  FUNCTIONS_BASE_URL: baseUrl
    .optional()
    .describe('service tokens are made for URLs under it; by default `https://REGION-PROJECT.cloudfunctions.net`'),
  USER_TOKEN_ISSUER: baseUrl
    .optional()
    .describe("who signs people's tokens, by default Firebase Auth; a local one is refused where `K_SERVICE` is set"),
  USER_TOKEN_JWKS_URL: baseUrl
    .default('https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com')
    .describe('where the keys of that issuer are'),
  SERVICE_TOKEN_ISSUER: baseUrl.default('https://accounts.google.com').describe('who signs service tokens'),
  SERVICE_TOKEN_JWKS_URL: baseUrl
    .default('https://www.googleapis.com/oauth2/v3/certs')
    .describe('where the keys of that issuer are'),
  TASKS_SERVICE_ACCOUNT: text
    .optional()
    .describe('the only service account that may call work functions; by default `steadycast-tasks@…`'),
  SCHEDULER_SERVICE_ACCOUNT: text
    .optional()
    .describe('the only one that may call what is scheduled; by default `steadycast-scheduler@…`'),
  TASKS_API_ENDPOINT: hostPort.optional().describe('another Cloud Tasks, without TLS, as the local cloud has one'),
  STORAGE_API_ENDPOINT: baseUrl.optional().describe('another Cloud Storage'),
}

/** How it behaves: yours to set. */
export const SETTINGS = {
  PUBLIC_BASE_URL: baseUrl
    .optional()
    .describe(
      'where providers send their webhooks; locally without it, a real provider gets audio as bytes and is polled',
    ),
  FIRESTORE_DATABASE: text.default('(default)').describe('the database, such as one that was restored from a backup'),
  MAX_REQUEST_SIZE_BYTES: count
    .default(104_857_600)
    .describe('caps every body; functions have smaller limits of their own'),
  CORS_ALLOWED_ORIGINS: origins
    .default([])
    .describe('origins whose pages may call what people call, such as `https://app.example`, comma-separated'),
  REQUEST_LOG: oneOf(['all', 'problems'])
    .default('all')
    .describe('`problems` leaves out the lines of requests that were neither refused nor slow'),
  SLOW_REQUEST_THRESHOLD_SECONDS: amount.default(1).describe('a request of that length is a warning'),
  VERY_SLOW_REQUEST_THRESHOLD_SECONDS: amount.default(5).describe('a request of that length is an error'),
  EPISODE_DEADLINE_HOURS: amount.default(24).describe('how long a step waits for its provider'),
  DEFAULT_PLAN: oneOf(PLAN_NAMES).default('standard').describe('the plan of users whose token has no plan claim'),
  FALLBACK_AFTER_SECONDS: amount
    .default(120)
    .describe('how long a step waits for its provider before it takes its fallback'),
  UPGRADE_AFTER_SECONDS: amount
    .default(300)
    .describe("how soon a fallback's result is asked for again at its provider"),
  FFMPEG_PATH: text
    .optional()
    .describe('what masters without a provider; by default the ffmpeg on `PATH`, else the one in the package'),
  STUCK_EPISODE_THRESHOLD_HOURS: amount
    .default(2)
    .describe('an episode without progress for so long is marked `error`'),
  STALLED_STEP_THRESHOLD_SECONDS: amount
    .default(150)
    .describe('how long a step may miss heartbeats, or wait for a lost task, before it is requeued'),
  ORPHAN_AGE_HOURS: amount
    .default(24)
    .describe('stored objects that their ended episode does not refer to are removed at this age'),
  STEP_LEASE_SECONDS: count
    .default(20)
    .describe(
      'how long a worker may miss heartbeats before it loses its step; must exceed 15 s, the longest a transcription may take to be submitted',
    ),
  SAFETY_POLL_SECONDS: count
    .default(20)
    .describe('how soon a job is asked for although its provider said it would call'),
}

/** Secrets of ours, beside the keys of providers. Each function is given those that it uses, and no other. */
export const SECRETS = {
  WEBHOOK_SECRET: text
    .optional()
    .describe('signs the tokens that webhooks bring; made by the deployment. Without one they are not signed'),
  WEBHOOK_SECRET_PREVIOUS: text
    .optional()
    .describe('what signed them before: its tokens are still taken while jobs that bear them run'),
}

/**
 * A breaker's settings by the ends of their variables: `BREAKER_<end>` is for every breaker, `BREAKER_<NAME>_<end>` for
 * one. What is given in seconds is kept in milliseconds.
 */
export const BREAKER_VARIABLES = {
  FAILURE_THRESHOLD: {
    setting: 'failureThreshold',
    schema: whole,
    meaning: 'number of failures within the window that opens the breaker',
  },
  WINDOW_SECONDS: { setting: 'windowMs', schema: someTime, meaning: 'the length of that window' },
  MIN_FAILURE_RATE: {
    setting: 'minFailureRate',
    schema: amount.pipe(z.number().max(1)),
    meaning: 'the share of published results that must be failures for it to open',
  },
  RECOVERY_SECONDS: { setting: 'recoveryMs', schema: someTime, meaning: 'how long it stays open at first' },
  RECOVERY_MAX_SECONDS: { setting: 'recoveryMaxMs', schema: someTime, meaning: 'how long it stays open at most' },
  SUCCESSES_TO_CLOSE: {
    setting: 'successesToClose',
    schema: whole,
    meaning: 'how many probes in a row must succeed',
  },
  RAMP_SECONDS: { setting: 'rampMs', schema: duration, meaning: 'how long admissions grow after it closed' },
  CACHE_TTL_SECONDS: { setting: 'cacheTtlMs', schema: duration, meaning: "how old the fleet's state may be" },
  THROTTLE_MAX_SECONDS: {
    setting: 'throttleMaxMs',
    schema: duration,
    meaning: 'the longest a `Retry-After` is obeyed',
  },
  SLOW_CALL_SECONDS: {
    setting: 'slowCallMs',
    schema: someTime,
    meaning: 'a success that takes longer is a failure',
  },
} as const
export type BreakerSetting = (typeof BREAKER_VARIABLES)[keyof typeof BREAKER_VARIABLES]['setting']

/** What the variables of one breaker begin with: `parrot-speech` has `BREAKER_PARROT_SPEECH_…`. */
export function breakerPrefix(name: string): string {
  return `BREAKER_${name.toUpperCase().replaceAll('-', '_')}_`
}

/** The variables of breakers, all optional: those for every breaker, and those for each of `breakers`. */
export function breakerVariables(
  breakers: readonly string[],
): Record<string, z.ZodOptional<z.ZodType<number, string>>> {
  const ofOne = Object.entries(BREAKER_VARIABLES).map(([end, { schema }]) => [end, schema.optional()] as const)
  return Object.fromEntries(
    ['BREAKER_', ...breakers.map(breakerPrefix)].flatMap((prefix) =>
      ofOne.map(([end, schema]) => [`${prefix}${end}`, schema]),
    ),
  )
}

/** Every variable we read but those of providers and breakers, with its one default. */
export const Environment = z.object({
  ...PLACE,
  ...SETTINGS,
  ...SECRETS,
  K_SERVICE: z.string().optional(),
  FUNCTIONS_EMULATOR: z.string().optional(),
})
export type ParsedEnvironment = z.infer<typeof Environment>
