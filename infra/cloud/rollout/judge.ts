/** What one revision of one function did in some time. */
export type Sample = { requests: number; errors: number; p95Ms: number | undefined; breakersOpened: number }

/** The same time of both revisions, by function. */
export type Observation = Readonly<Record<string, { old: Sample; new: Sample }>>

export type Judgement =
  /** Nothing speaks against going on. */
  | { kind: 'good' }
  /** It cannot be said yet. */
  | { kind: 'unclear'; reason: string }
  /** The new revision must not have this traffic. */
  | { kind: 'bad'; reason: string }

/**
 * The old revision's side filled in from before the rollout, where it has too few requests of its own by now to be
 * compared with: at the last stage it has none.
 */
export function withBaseline(
  observation: Observation,
  before: Observation,
  criteria: Criteria = CRITERIA,
): Observation {
  return Object.fromEntries(
    Object.entries(observation).map(([name, both]) => {
      const enough = both.old.requests >= criteria.latencyRequestsMin
      const old = enough ? both.old : (before[name]?.old ?? both.old)
      return [name, { old, new: both.new }]
    }),
  )
}

/** What is asked of a new revision before it gets more traffic. */
export type Criteria = {
  /** Requests that the new revisions must have answered, all functions together, in the whole watch. */
  requestsMin: number
  /** A function by itself is judged from so many on. */
  functionRequestsMin: number
  /** Fewer errors than this are chance. */
  errorsMin: number
  /** More errors than this share are too many, whatever the old revision does … */
  errorShareMax: number
  /** … and a share that is so many times the old one's, when it cannot be chance. */
  errorsTimesOld: number
  /** A percentile of fewer requests than this says nothing. */
  latencyRequestsMin: number
  /** The 95th percentile may be so many times the old one's, … */
  latencyTimesOld: number
  /** … and anything below this. */
  latencyFreeMs: number
}

const CRITERIA: Criteria = {
  requestsMin: 500,
  functionRequestsMin: 30,
  errorsMin: 3,
  errorShareMax: 0.01,
  errorsTimesOld: 2,
  latencyRequestsMin: 200,
  latencyTimesOld: 1.5,
  latencyFreeMs: 500,
}

/** One chance in a thousand that the difference is none, of one side of a normal distribution. */
const SURE = 3.09

/** Judges what was seen so far; a single function that is bad makes all of it bad. */
export function judge(observation: Observation, criteria: Criteria = CRITERIA): Judgement {
  const functions = Object.entries(observation)
  const all = { old: total(functions.map(([, both]) => both.old)), new: total(functions.map(([, both]) => both.new)) }
  for (const [name, both] of [['all functions together', all] as const, ...functions]) {
    const regression = regressionOf(both, criteria)
    if (regression !== undefined) return { kind: 'bad', reason: `${name}: ${regression}` }
  }
  if (all.new.breakersOpened > 0)
    return { kind: 'unclear', reason: 'a circuit breaker has opened; whether it is the provider is not known yet' }
  if (all.new.requests < criteria.requestsMin)
    return { kind: 'unclear', reason: `${all.new.requests} of ${criteria.requestsMin} requests so far` }
  return { kind: 'good' }
}

function regressionOf(both: { old: Sample; new: Sample }, criteria: Criteria): string | undefined {
  const { old, new: fresh } = both
  if (fresh.requests < criteria.functionRequestsMin) return undefined
  const [before, after] = [share(old), share(fresh)]
  if (
    fresh.errors >= criteria.errorsMin &&
    isMore(fresh, criteria.errorShareMax) &&
    after > before * criteria.errorsTimesOld
  )
    return `${percent(after)} of requests fail, ${percent(before)} of the old revision's`
  const slow = fresh.requests < criteria.latencyRequestsMin ? undefined : fresh.p95Ms
  const usual = old.p95Ms ?? criteria.latencyFreeMs
  if (slow !== undefined && slow > criteria.latencyFreeMs && slow > usual * criteria.latencyTimesOld)
    return `the 95th percentile is ${Math.round(slow)} ms, ${Math.round(usual)} ms of the old revision`
  // Both call the same providers: breakers that only the new one opens are its own doing.
  if (fresh.breakersOpened >= 2 && old.breakersOpened === 0 && old.requests >= fresh.requests)
    return `it has opened circuit breakers ${fresh.breakersOpened} times, the old revision never`
  return undefined
}

/** Whether the share of errors is above `limit` and would hardly be by chance. */
function isMore({ requests, errors }: Sample, limit: number): boolean {
  const spread = Math.sqrt((limit * (1 - limit)) / requests)
  return errors / requests > limit + SURE * spread
}

function share({ requests, errors }: Sample): number {
  return requests === 0 ? 0 : errors / requests
}

function percent(value: number): string {
  return `${(value * 100).toFixed(2)} %`
}

/** Counts add up; percentiles do not, and are judged by function. */
function total(samples: readonly Sample[]): Sample {
  const sum = (of: (sample: Sample) => number) => samples.reduce((all, sample) => all + of(sample), 0)
  return {
    requests: sum(({ requests }) => requests),
    errors: sum(({ errors }) => errors),
    p95Ms: undefined,
    breakersOpened: sum(({ breakersOpened }) => breakersOpened),
  }
}
