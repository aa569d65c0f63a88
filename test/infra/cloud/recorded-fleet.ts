import { FUNCTIONS } from '../../../functions/functions.ts'
import type { AlertRule, Condition, Requests } from '../../../infra/cloud/monitoring/rules.ts'
import { DELAY_SECONDS } from '../../../infra/cloud/monitoring/rules.ts'

/** Answers of one function in one minute, by class, and how long they took. */
export type Answers = { '2xx': number; '4xx': number; '5xx': number; latenciesMs: number[] }

/** What was recorded of a fleet, minute by minute; lines of the log with the second they were written in. */
export type Recording = {
  minutes: { functions: Record<string, Answers>; depth: Record<string, number>; placesFailing: number }[]
  lines: { atSeconds: number; fields: Record<string, string> }[]
}

const MINUTE = 60
const DAY_MINUTES = 24 * 60

/** Turns a share of the answers that went well into errors. */
export const failing = (share: number) => (answers: Answers) => {
  const failed = Math.ceil((answers['2xx'] + answers['4xx']) * share)
  answers['2xx'] -= failed
  answers['5xx'] += failed
}

/** A day of a small product: more people by day than by night, a few errors, slow starts, clumsy clients. */
export function day(random: () => number, minutes = DAY_MINUTES, from = 0): Recording {
  const recording: Recording = { minutes: [], lines: [] }
  for (let minute = from; minute < from + minutes; minute++) {
    const sun = 0.15 + 0.85 * Math.sin((Math.PI * minute) / DAY_MINUTES) ** 2
    const functions: Record<string, Answers> = {}
    // A crash of one instance, a client that sends nonsense, a new revision whose first requests are slow.
    const [crash, clumsy, starts] = [random() < 0.002, random() < 0.01, random() < 0.003]
    for (const name of Object.keys(FUNCTIONS)) {
      const mean = (name === 'episodes-get' ? 120 : name === 'episodes-list' ? 30 : 6) * sun
      const requests = Math.round(mean * (0.7 + 0.6 * random()))
      const answers: Answers = { '2xx': requests, '4xx': 0, '5xx': 0, latenciesMs: [] }
      for (let i = 0; i < requests; i++) {
        if (random() < 0.0002) failing(1 / requests)(answers)
        const cold = random() < (starts ? 0.03 : 0.002)
        answers.latenciesMs.push(cold ? 2_500 : (name.startsWith('work-') ? 2_000 : 60) * (0.5 + random()))
      }
      if (crash && name === 'episodes-get') failing(Math.min(1, 2 / Math.max(1, requests)))(answers)
      if (clumsy && name === 'episodes-create') answers['4xx'] += 40
      functions[name] = answers
    }
    const depth = { 'work-write': Math.floor(random() * 50), 'work-voice': random() < 0.01 ? 400 : 3 }
    // One place that cannot reach us says something about that place.
    recording.minutes.push({ functions, depth, placesFailing: random() < 0.005 ? 1 : 0 })
  }
  return recording
}

/** Moments at which a rule says that somebody must be told, in seconds from the beginning; once until it is well again. */
export function firings(rule: AlertRule, recording: Recording): number[] {
  const { condition } = rule
  if (condition.kind === 'log') return ofLines(condition, recording)
  const endSeconds = recording.minutes.length * MINUTE
  const found: number[] = []
  let firing = false
  for (let now = 0; now < endSeconds; now += DELAY_SECONDS.evaluation) {
    const holds = holdsAt(condition, recording, now)
    if (holds && !firing) found.push(now + DELAY_SECONDS.evaluation + DELAY_SECONDS.notification)
    firing = holds
  }
  return found
}

function ofLines({ fields }: Extract<Condition, { kind: 'log' }>, { lines }: Recording): number[] {
  const told = DELAY_SECONDS.log + DELAY_SECONDS.evaluation + DELAY_SECONDS.notification
  return lines
    .filter((line) => Object.entries(fields).every(([field, values]) => values.includes(line.fields[field] ?? '')))
    .map(({ atSeconds }) => atSeconds + told)
}

/** Minutes that have ended long enough ago to be visible, of the window before now. */
function visible({ minutes }: Recording, nowSeconds: number, windowSeconds: number) {
  const last = Math.floor((nowSeconds - DELAY_SECONDS.metric) / MINUTE)
  const first = Math.ceil((nowSeconds - windowSeconds) / MINUTE)
  return minutes.slice(Math.max(0, first), Math.max(0, last))
}

function holdsAt(condition: Exclude<Condition, { kind: 'log' }>, recording: Recording, now: number): boolean {
  switch (condition.kind) {
    case 'share': {
      const window = visible(recording, now, condition.windowSeconds)
      return Object.keys(window[0]?.functions ?? {}).some((name) => {
        const [bad, all] = [countOf(window, condition.bad, name), countOf(window, condition.all, name)]
        return bad >= condition.atLeast && bad / all > condition.above
      })
    }
    case 'latency': {
      const window = visible(recording, now, condition.windowSeconds)
      if (countOf(window, condition.requests) < condition.atLeast) return false
      const matches = matcher(condition.requests)
      const latencies = window.flatMap(({ functions }) =>
        Object.entries(functions).flatMap(([name, { latenciesMs }]) => (matches(name) ? latenciesMs : [])),
      )
      const over = latencies.filter((ms) => ms > condition.aboveMs).length
      return over > latencies.length * (1 - condition.quantile)
    }
    case 'depth':
      return Object.values(visible(recording, now, 300).at(-1)?.depth ?? {}).some((depth) => depth > condition.above)
    case 'uptime':
      return (visible(recording, now, 300).at(-1)?.placesFailing ?? 0) > 1
  }
}

function countOf(window: Recording['minutes'], requests: Requests, only?: string): number {
  const matches = matcher(requests)
  const classes = requests.classes ?? (['2xx', '4xx', '5xx'] as const)
  let count = 0
  for (const { functions } of window)
    for (const [name, answers] of Object.entries(functions))
      if (matches(name) && (only ?? name) === name) for (const one of classes) count += answers[one]
  return count
}

/** As PromQL has it, the expression must match all of the name. */
function matcher({ functions }: Requests): (name: string) => boolean {
  const pattern = new RegExp(`^(?:${functions})$`)
  return (name) => pattern.test(name)
}
