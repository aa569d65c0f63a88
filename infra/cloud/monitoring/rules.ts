/** Counts of requests that Cloud Run keeps of every function by itself, by class of the answer. */
export type Requests = {
  /** Functions, as a regular expression of RE2. */
  functions: string
  /** Classes of answers; all of them when absent. */
  classes?: readonly ('2xx' | '4xx' | '5xx')[]
}

/** When something is wrong. From each of these both the alert policy and the evaluation in the tests are made. */
export type Condition =
  /** Of some function so many requests in the window were bad, and they are more than that share of all. */
  | { kind: 'share'; bad: Requests; all: Requests; windowSeconds: number; above: number; atLeast: number }
  /** The quantile of the latencies in the window is above, over at least so many requests. */
  | { kind: 'latency'; requests: Requests; quantile: number; windowSeconds: number; aboveMs: number; atLeast: number }
  /** Tasks in a queue. */
  | { kind: 'depth'; above: number }
  /** A line of the log; `fields` of its JSON with the values that count. */
  | { kind: 'log'; fields: Readonly<Record<string, readonly string[]>>; labels: readonly string[] }
  /** The uptime check fails from more than one place. */
  | { kind: 'uptime' }

export type AlertRule = {
  id: string
  title: string
  severity: 'CRITICAL' | 'ERROR' | 'WARNING'
  condition: Condition
  /** What people notice. */
  meaning: string
}

/** Metrics are up to three minutes late: of this the two minutes before those are seen, one of them not enough. */
const WINDOW_SECONDS = 330

/** What people call and wait for. */
const PEOPLE = 'episodes-.*|usage-get'

/**
 * The alerts of the plan. Nothing here goes by metrics out of the log, which come up to ten minutes late: a request is
 * in Cloud Run's own metrics within DELAY_SECONDS.metric, a line of the log is seen within DELAY_SECONDS.log.
 */
export const ALERT_RULES: readonly AlertRule[] = [
  {
    id: 'error-rate',
    title: 'One request in a hundred to a function fails',
    severity: 'CRITICAL',
    condition: {
      kind: 'share',
      bad: { functions: PEOPLE, classes: ['5xx'] },
      all: { functions: PEOPLE },
      windowSeconds: WINDOW_SECONDS,
      above: 0.01,
      atLeast: 4,
    },
    meaning: 'people see errors',
  },
  {
    id: 'work-errors',
    title: 'A third of the deliveries of tasks to a function fail',
    severity: 'ERROR',
    condition: {
      kind: 'share',
      bad: { functions: 'work-.*', classes: ['5xx'] },
      all: { functions: 'work-.*' },
      windowSeconds: WINDOW_SECONDS,
      above: 0.3,
      atLeast: 4,
    },
    meaning: 'episodes take longer, or stand still',
  },
  {
    id: 'slow',
    title: 'One request in twenty takes over 2 s',
    severity: 'WARNING',
    condition: {
      kind: 'latency',
      // Uploads take as long as the line of who uploads.
      requests: {
        functions: 'episodes-(create|upload-url|process|get|list|retry|cancel|delete|transcript)|usage-get',
        classes: ['2xx', '4xx', '5xx'],
      },
      quantile: 0.95,
      windowSeconds: WINDOW_SECONDS,
      aboveMs: 2_000,
      atLeast: 100,
    },
    meaning: 'people wait',
  },
  {
    id: 'breaker-open',
    title: 'A circuit breaker has opened',
    severity: 'WARNING',
    condition: { kind: 'log', fields: { event: ['breaker.opened'] }, labels: ['breaker', 'reason'] },
    meaning: 'episodes wait for a provider, then do without it',
  },
  {
    id: 'provider-account',
    title: 'A provider refuses our key, or has not been paid',
    severity: 'CRITICAL',
    condition: {
      kind: 'log',
      fields: { event: ['breaker.opened'], reason: ['auth', 'billing'] },
      labels: ['breaker', 'reason'],
    },
    meaning: 'it stays like this until somebody does something',
  },
  {
    id: 'provider-misconfigured',
    title: 'A provider does not have, or does not take, what we are set up to ask for',
    severity: 'CRITICAL',
    condition: {
      kind: 'log',
      fields: { event: ['provider.failed'], kind: ['misconfigured'] },
      labels: ['provider', 'operation'],
    },
    meaning: 'every episode does without it until a setting is changed; the line of the log has its own words',
  },
  {
    id: 'credits-low',
    title: 'Little is left of what a provider was paid for',
    severity: 'WARNING',
    condition: { kind: 'log', fields: { event: ['provider.credits_low'] }, labels: ['provider'] },
    meaning: 'soon episodes wait for this provider',
  },
  {
    id: 'stuck-episodes',
    title: 'An episode was stuck and has been given up',
    severity: 'ERROR',
    condition: { kind: 'log', fields: { event: ['sweep.decided'], action: ['error'] }, labels: ['step'] },
    meaning: 'its owner sees an error and can retry',
  },
  {
    id: 'sweep-silent',
    title: 'The sweep is silent',
    severity: 'CRITICAL',
    condition: { kind: 'log', fields: { event: ['sweep.silent'] }, labels: [] },
    meaning: 'episodes that get stuck are not found',
  },
  {
    id: 'queue-late',
    title: 'A queue is late, or paused',
    severity: 'ERROR',
    condition: { kind: 'log', fields: { event: ['queue.late'] }, labels: ['queue'] },
    meaning: 'a step of every episode stands still',
  },
  {
    id: 'queue-silent',
    title: 'A queue does not say where its tasks are',
    severity: 'WARNING',
    condition: { kind: 'log', fields: { event: ['sweep.queue_silent'] }, labels: ['step'] },
    meaning: 'the sweep cannot tell lost tasks of this step from waiting ones, and leaves its episodes alone',
  },
  {
    id: 'queue-deep',
    title: 'A queue has over a thousand tasks',
    severity: 'WARNING',
    condition: { kind: 'depth', above: 1_000 },
    meaning: 'episodes take longer',
  },
  {
    id: 'down',
    title: 'ops-health says that the service is down',
    severity: 'CRITICAL',
    condition: { kind: 'uptime' },
    meaning: 'nothing works',
  },
  {
    id: 'process-broken',
    title: 'A function cannot start, or lost its footing',
    severity: 'ERROR',
    condition: {
      kind: 'log',
      fields: {
        event: ['function.not_loaded', 'process.uncaught_exception', 'request.edge_failed', 'request.unguarded'],
      },
      labels: ['function', 'event'],
    },
    meaning: 'requests to one function fail',
  },
]

/**
 * How late things are seen, at worst, in seconds. Metrics of Cloud Run are sampled every 60 s and visible within another
 * 120 s (https://docs.cloud.google.com/monitoring/api/metrics_gcp); lines of the log are matched as they arrive.
 * Conditions are evaluated every 30 s, and a notification leaves within another 30 s. What ops-health notices it notices
 * when it is asked: once a minute from each of at least three places.
 */
export const DELAY_SECONDS = { metric: 180, log: 60, evaluation: 30, notification: 30, health: 30 } as const

/** The sampling of a metric, or one round of the uptime check. */
const SAMPLE_SECONDS = 60

/**
 * How long after its beginning an incident can take, at worst, until somebody is told, in seconds: what ops-health calls
 * late, or silent, has been so for `knownAfterSeconds` by then.
 */
export function worstCaseSeconds({ kind }: Condition, knownAfterSeconds = 0): number {
  const { metric, log, evaluation, notification } = DELAY_SECONDS
  const seen = kind === 'log' ? knownAfterSeconds + log : SAMPLE_SECONDS + metric
  return seen + evaluation + notification
}
