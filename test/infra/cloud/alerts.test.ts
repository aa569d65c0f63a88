import { parser } from '@prometheus-io/lezer-promql'
import { describe, expect, test } from 'vitest'

import { CHARTS } from '../../../infra/cloud/monitoring/dashboard.ts'
import { LOG_METRICS } from '../../../infra/cloud/monitoring/metrics.ts'
import { promQl } from '../../../infra/cloud/monitoring/policies.ts'
import { ALERT_RULES, DELAY_SECONDS, worstCaseSeconds } from '../../../infra/cloud/monitoring/rules.ts'
import type { AlertRule } from '../../../infra/cloud/monitoring/rules.ts'
import { QUEUE_LATE_MS, SWEEP_SILENT_MS } from '../../../shared/operations/health/cloud-checks.ts'
import { seededRandom } from '../../shared/seeded-random.ts'
import { day, failing, firings } from './recorded-fleet.ts'
import type { Answers, Recording } from './recorded-fleet.ts'

const WITHIN_SECONDS = 5 * 60
const SWEEP_EVERY_SECONDS = 60

/** An incident: from a minute on something is different, or a line is written. */
type Incident = {
  rule: string
  what: string
  spoil?: (name: string, answers: Answers) => void
  depth?: number
  placesFailing?: number
  line?: Record<string, string>
  /** How long it had been so when the line was written. */
  knownAfterSeconds?: number
}

const people = (name: string) => name.startsWith('episodes-') || name === 'usage-get'

const INCIDENTS: Incident[] = [
  { rule: 'error-rate', what: 'everything fails', spoil: (name, answers) => people(name) && failing(1)(answers) },
  { rule: 'error-rate', what: 'one in twenty fails', spoil: (name, answers) => people(name) && failing(0.05)(answers) },
  {
    rule: 'error-rate',
    what: 'one function fails',
    spoil: (name, answers) => name === 'episodes-process' && failing(1)(answers),
  },
  {
    rule: 'work-errors',
    what: 'deliveries fail',
    spoil: (name, answers) => name.startsWith('work-') && failing(0.8)(answers),
  },
  {
    rule: 'slow',
    what: 'people wait for 3 s',
    spoil: (_name, answers) => void (answers.latenciesMs = answers.latenciesMs.map((ms) => ms + 3_000)),
  },
  {
    rule: 'slow',
    what: 'one in six takes 10 s',
    spoil: (_name, answers) =>
      void (answers.latenciesMs = answers.latenciesMs.map((ms, i) => (i % 6 === 0 ? 10_000 : ms))),
  },
  {
    rule: 'breaker-open',
    what: 'Gemini is down',
    line: { event: 'breaker.opened', breaker: 'gemini', reason: 'failures' },
  },
  {
    rule: 'provider-account',
    what: 'a card has expired',
    line: { event: 'breaker.opened', breaker: 'auphonic', reason: 'billing' },
  },
  {
    rule: 'provider-account',
    what: 'a key was revoked',
    line: { event: 'breaker.opened', breaker: 'gemini', reason: 'auth' },
  },
  {
    rule: 'provider-misconfigured',
    what: 'a model was retired',
    line: {
      event: 'provider.failed',
      provider: 'gemini',
      operation: 'generateContent',
      kind: 'misconfigured',
    },
  },
  { rule: 'credits-low', what: 'credits run out', line: { event: 'provider.credits_low', provider: 'auphonic' } },
  {
    rule: 'stuck-episodes',
    what: 'an episode is given up',
    line: { event: 'sweep.decided', action: 'error', step: 'master' },
  },
  {
    rule: 'sweep-silent',
    what: 'the schedule is paused',
    line: { event: 'sweep.silent' },
    knownAfterSeconds: SWEEP_SILENT_MS / 1000 + DELAY_SECONDS.health,
  },
  {
    rule: 'queue-late',
    what: 'a queue stands still',
    line: { event: 'queue.late', queue: 'work-write' },
    knownAfterSeconds: QUEUE_LATE_MS / 1000 + DELAY_SECONDS.health,
  },
  {
    rule: 'queue-silent',
    what: 'the sweep may not look into a queue any more',
    line: { event: 'sweep.queue_silent', step: 'write' },
    knownAfterSeconds: SWEEP_EVERY_SECONDS,
  },
  { rule: 'queue-deep', what: 'a queue fills up', depth: 5_000 },
  { rule: 'down', what: 'Firestore is away', placesFailing: 3 },
  {
    rule: 'process-broken',
    what: 'a function does not start',
    line: { event: 'function.not_loaded', function: 'work-master' },
  },
]

/** A quarter of an hour of a normal morning, and then the incident. */
function recorded(
  { spoil, depth, placesFailing, line, knownAfterSeconds = 0 }: Incident,
  random: () => number,
): Recording {
  const recording = day(random, 40, 10 * 60)
  const atMinute = 15
  for (const minute of recording.minutes.slice(atMinute)) {
    for (const [name, answers] of Object.entries(minute.functions)) spoil?.(name, answers)
    if (depth !== undefined) minute.depth['work-write'] = depth
    if (placesFailing !== undefined) minute.placesFailing = placesFailing
  }
  if (line !== undefined) recording.lines.push({ atSeconds: atMinute * 60 + knownAfterSeconds, fields: line })
  return recording
}

function ruleOf(id: string): AlertRule {
  const rule = ALERT_RULES.find((one) => one.id === id)
  if (rule === undefined) throw new Error(`no rule ${id}`)
  return rule
}

describe('alerts', () => {
  test.each(INCIDENTS)('tell within five minutes when $what ($rule)', (incident) => {
    const seed = 7
    const told = firings(ruleOf(incident.rule), recorded(incident, seededRandom(seed)))
    const first = told.find((at) => at > 15 * 60) ?? Infinity
    expect(first - 15 * 60).toBeLessThanOrEqual(WITHIN_SECONDS)
  })

  test('are each set off by an incident, and the arithmetic of each says five minutes at most', () => {
    expect(new Set(INCIDENTS.map(({ rule }) => rule))).toEqual(new Set(ALERT_RULES.map(({ id }) => id)))
    for (const { rule, knownAfterSeconds } of INCIDENTS)
      expect(worstCaseSeconds(ruleOf(rule).condition, knownAfterSeconds)).toBeLessThanOrEqual(WITHIN_SECONDS)
  })
})

describe('what is sent to Cloud Monitoring', () => {
  /** Names of nodes that the parser could not make sense of. */
  const errorsIn = (query: string): string[] => {
    const errors: string[] = []
    parser
      .parse(query)
      .iterate({ enter: (node) => void (node.type.isError && errors.push(query.slice(node.from - 10, node.to + 10))) })
    return errors
  }

  test('is PromQL', () => {
    expect(errorsIn('sum(rate(x{[5m]))')).not.toEqual([])
    for (const { condition } of ALERT_RULES)
      if (condition.kind !== 'log') expect(errorsIn(promQl(condition, 'host.example'))).toEqual([])
    for (const { query } of CHARTS) expect(errorsIn(query.replaceAll('${__interval}', '5m'))).toEqual([])
  })

  test('shows only metrics that there are, and shows all of ours', () => {
    const shown = new Set(
      CHARTS.flatMap(({ query }) =>
        [...query.matchAll(/user_steadycast_(\w+?)(?:_bucket|_sum|_count)?\b(?=[{[])/g)].map(([, id]) => id),
      ),
    )
    const known = new Set(LOG_METRICS.map(({ id }) => id))
    expect([...shown].filter((id) => !known.has(id ?? ''))).toEqual([])
    expect([...known].filter((id) => !shown.has(id))).toEqual([])
  })
})
