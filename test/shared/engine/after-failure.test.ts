import { describe, expect, test } from 'vitest'

import { afterFailure } from '../../../shared/engine/after-failure.ts'
import type { Decision, FailedAttempt } from '../../../shared/engine/after-failure.ts'
import type { Failure } from '../../../shared/engine/failure.ts'
import type { CallEnd } from '../../../shared/engine/outcome.ts'

/** From failure to outcome: a table of which every situation meets exactly one row. */

const SETTINGS = { fallbackAfterMs: 120_000, deadlineMs: 86_400_000 }
const NOW_MS = 1_000_000_000
const WORDS = { code: 'provider_rejected', message: 'it said no', retryable: false }

const FAILURES = {
  away: { kind: 'away', service: 'vendor', sent: true, ambiguous: false, retryAfterMs: 0, technical: 'vendor away' },
  rejected: { kind: 'away', service: 'vendor', sent: false, ambiguous: false, retryAfterMs: 9_000, technical: 'open' },
  ours: { kind: 'away', service: 'gcs', sent: true, ambiguous: false, retryAfterMs: 0, technical: 'gcs away' },
  refused: { kind: 'refused', ambiguous: false, words: WORDS, canPass: false, cost: undefined },
  unreadable: { kind: 'unreadable', service: 'vendor', technical: 'vendor answered with nothing', cost: undefined },
  jobEnded: { kind: 'jobEnded' },
  unexpected: { kind: 'unexpected', ambiguous: false },
} as const satisfies Record<string, Failure>
type FailureName = keyof typeof FAILURES

/** Whether the service has been away for less than a fallback waits, for longer, or for longer than the deadline. */
const WAITED_MS = { short: 1_000, long: 130_000, tooLong: 90_000_000 }
type Waited = keyof typeof WAITED_MS

/** The last may not be followed by another; of jobs that a provider ends, the second may not. */
const ATTEMPTS = [1, 2, 3, 4, 5] as const

type Situation = {
  failure: FailureName
  waited: Waited
  attempt: (typeof ATTEMPTS)[number]
  kind: 'job' | 'call' | 'plain'
  next: boolean
  fallback: boolean
  upgrade: boolean
}

/** Every situation that there is: an upgrade has no fallback, and a plain step no provider. */
function* everySituation(): Generator<Situation> {
  for (const failure of Object.keys(FAILURES) as FailureName[])
    for (const waited of Object.keys(WAITED_MS) as Waited[])
      for (const attempt of ATTEMPTS)
        for (const kind of ['job', 'call', 'plain'] as const)
          for (const next of [true, false])
            for (const fallback of [true, false])
              for (const upgrade of [true, false])
                if (!(upgrade && fallback) && !(kind === 'plain' && (next || fallback)))
                  yield { failure, waited, attempt, kind, next, fallback, upgrade }
}

function failedAttempt(situation: Situation, more: Partial<FailedAttempt> = {}): FailedAttempt {
  const { failure, waited, attempt, kind, next, fallback, upgrade } = situation
  const sinceMs = NOW_MS - WAITED_MS[waited]
  const service = failure === 'ours' ? 'gcs' : 'vendor'
  return {
    failure: FAILURES[failure],
    kind,
    provider: kind === 'plain' ? undefined : 'vendor',
    hasNextProvider: next,
    step: {
      state: 'running',
      attempt,
      dispatch: 1,
      unreadable: attempt === 1 ? 0 : 1,
      unavailable: { service, sinceMs, waits: 3, untilMs: NOW_MS },
    },
    callCounted: kind === 'call',
    callLeft: true,
    wasCharged: false,
    mayFallBack: fallback,
    isUpgrade: upgrade,
    startedAtMs: NOW_MS - 500,
    jitter: 0.5,
    errorId: 'e1',
    ...more,
  }
}

const decide = (situation: Situation, more?: Partial<FailedAttempt>) =>
  afterFailure(failedAttempt(situation, more), SETTINGS, NOW_MS)
const nameOf = (decision: Decision) => (decision.next === 'fallBack' ? 'fallBack' : decision.outcome.kind)

type Row = { when: { [Column in keyof Situation]?: Situation[Column] | readonly Situation[Column][] }; becomes: string }
const VENDOR = ['away', 'rejected'] as const
const SOONER = ['short', 'long'] as const
const LATER = ['long', 'tooLong'] as const
const TRIES = ['jobEnded', 'unexpected'] as const
/** For the second time: at the first attempt, no answer was unreadable yet. */
const UNREADABLE = { failure: 'unreadable', upgrade: false, attempt: [2, 3, 4, 5] } as const
const ENDED = { failure: 'jobEnded', attempt: [2, 3, 4] } as const
const FREE = ['job', 'plain'] as const
const WITH_VENDOR = ['job', 'call'] as const

const TABLE: readonly Row[] = [
  // Nobody waits for an upgrade.
  { when: { failure: VENDOR, kind: WITH_VENDOR, upgrade: true }, becomes: 'failed' },
  {
    when: { failure: VENDOR, kind: WITH_VENDOR, upgrade: false, waited: 'tooLong', next: false, fallback: false },
    becomes: 'failed',
  },
  { when: { failure: VENDOR, kind: WITH_VENDOR, upgrade: false, waited: 'short' }, becomes: 'waiting' },
  {
    when: { failure: VENDOR, kind: WITH_VENDOR, upgrade: false, waited: LATER, next: true },
    becomes: 'passedOverAway',
  },
  {
    when: { failure: VENDOR, kind: WITH_VENDOR, upgrade: false, waited: LATER, next: false, fallback: true },
    becomes: 'fallBack',
  },
  {
    when: { failure: VENDOR, kind: WITH_VENDOR, upgrade: false, waited: 'long', next: false, fallback: false },
    becomes: 'waiting',
  },
  // A service that is not the step's own provider is waited for, whatever the step could do without.
  { when: { failure: VENDOR, kind: 'plain', waited: SOONER }, becomes: 'waiting' },
  { when: { failure: VENDOR, kind: 'plain', waited: 'tooLong' }, becomes: 'failed' },
  { when: { failure: 'ours', waited: SOONER }, becomes: 'waiting' },
  { when: { failure: 'ours', waited: 'tooLong' }, becomes: 'failed' },
  { when: { failure: 'refused', next: true, upgrade: false }, becomes: 'passedOver' },
  { when: { failure: 'refused', next: true, upgrade: true }, becomes: 'failed' },
  { when: { failure: 'refused', next: false, fallback: true }, becomes: 'fallBack' },
  { when: { failure: 'refused', next: false, fallback: false }, becomes: 'failed' },
  // Once more; then on, or waiting as for a service that is away.
  { when: { failure: 'unreadable', upgrade: true }, becomes: 'failed' },
  { when: { failure: 'unreadable', upgrade: false, attempt: 1 }, becomes: 'tryAgain' },
  { when: { ...UNREADABLE, next: true }, becomes: 'passedOver' },
  { when: { ...UNREADABLE, next: false, fallback: true }, becomes: 'fallBack' },
  { when: { ...UNREADABLE, next: false, fallback: false, kind: 'call' }, becomes: 'failed' },
  // Looking at a job again costs nothing.
  { when: { ...UNREADABLE, next: false, fallback: false, kind: FREE, waited: SOONER }, becomes: 'waiting' },
  { when: { ...UNREADABLE, next: false, fallback: false, kind: FREE, waited: 'tooLong' }, becomes: 'failed' },
  // A provider that ends every job is not asked for a third where there is another way.
  { when: { ...ENDED, next: true, upgrade: false }, becomes: 'passedOver' },
  { when: { ...ENDED, next: false, fallback: true }, becomes: 'fallBack' },
  { when: { ...ENDED, next: true, upgrade: true }, becomes: 'tryAgain' },
  { when: { ...ENDED, next: false, fallback: false }, becomes: 'tryAgain' },
  { when: { failure: 'jobEnded', attempt: 1 }, becomes: 'tryAgain' },
  { when: { failure: 'unexpected', attempt: [1, 2, 3, 4] }, becomes: 'tryAgain' },
  { when: { failure: TRIES, attempt: 5, next: true, upgrade: false }, becomes: 'passedOver' },
  { when: { failure: TRIES, attempt: 5, next: true, upgrade: true }, becomes: 'failed' },
  { when: { failure: TRIES, attempt: 5, next: false, fallback: true }, becomes: 'fallBack' },
  { when: { failure: TRIES, attempt: 5, next: false, fallback: false }, becomes: 'failed' },
]

function matches({ when }: Row, situation: Situation): boolean {
  return Object.entries(when).every(([column, allowed]) => {
    const value = situation[column as keyof Situation]
    return Array.isArray(allowed) ? allowed.includes(value) : allowed === value
  })
}

describe('the table', () => {
  const situations = [...everySituation()]

  test('has exactly one row for every situation, and every row is met', () => {
    expect(situations.length).toBeGreaterThan(500)
    const rowsMet = new Set<Row>()
    for (const situation of situations) {
      const rows = TABLE.filter((row) => matches(row, situation))
      expect([situation, rows.length]).toEqual([situation, 1])
      for (const row of rows) rowsMet.add(row)
    }
    expect(rowsMet.size).toBe(TABLE.length)
  })

  test.each(TABLE.map((row) => [`${JSON.stringify(row.when)} -> ${row.becomes}`, row] as const))('%s', (_name, row) => {
    const met = situations.filter((situation) => matches(row, situation))
    expect(met.length).toBeGreaterThan(0)
    for (const situation of met) expect([situation, nameOf(decide(situation))]).toEqual([situation, row.becomes])
  })
})

const SITUATION: Situation = {
  failure: 'away',
  waited: 'short',
  attempt: 1,
  kind: 'call',
  next: false,
  fallback: true,
  upgrade: false,
}

describe('what became of a paid call', () => {
  const callOf = (decision: Decision): CallEnd | undefined => {
    if (decision.next === 'fallBack') return decision.call
    return 'call' in decision.outcome ? decision.outcome.call : undefined
  }

  test.each<[string, Partial<FailedAttempt>, CallEnd]>([
    ['none was counted', { callCounted: false }, 'unknown'],
    ['none has left', { callLeft: false }, 'unsent'],
    ['one has left, and its end was seen', {}, 'ended'],
    ['one has gone through', { wasCharged: true }, 'ambiguous'],
  ])('is told by every outcome: %s', (_name, more, expected) => {
    for (const situation of everySituation()) {
      if (situation.kind !== 'call' || (situation.failure === 'unreadable' && situation.attempt === 1)) continue
      expect([situation, callOf(decide(situation, more))]).toEqual([situation, expected])
    }
  })

  test.each(['away', 'refused', 'unexpected'] as const)('is open where it may have been carried out: %s', (name) => {
    const failure: Failure = { ...FAILURES[name], ambiguous: true }
    expect(callOf(decide({ ...SITUATION, attempt: 5, waited: 'long' }, { failure }))).toBe('ambiguous')
  })
})

test('a deadline before the time at which a step goes on without its provider ends the waiting, not the episode', () => {
  const settings = { ...SETTINGS, deadlineMs: 500 }
  const decision = afterFailure(failedAttempt(SITUATION), settings, NOW_MS)
  expect(decision).toMatchObject({ next: 'fallBack', otherwise: { kind: 'failed' } })
})

/** The service has been away for exactly so long. */
function awayFor(situation: Situation, forMs: number): FailedAttempt['step'] {
  const unavailable = { service: 'vendor', sinceMs: NOW_MS - forMs, waits: 3, untilMs: NOW_MS }
  return { ...failedAttempt(situation).step, unavailable }
}

test('a step goes on without its provider from the very moment at which it may', () => {
  const stepAfter = (forMs: number) => ({ step: awayFor(SITUATION, forMs) })
  expect(nameOf(decide(SITUATION, stepAfter(119_999)))).toBe('waiting')
  // Should there be no fallback after all, it waits as long as for any service.
  const decision = decide(SITUATION, stepAfter(120_000))
  expect(decision).toMatchObject({ next: 'fallBack', otherwise: { kind: 'waiting', afterMs: 12_000 } })
  expect(decide(SITUATION, stepAfter(130_000))).toMatchObject({ otherwise: { kind: 'waiting', afterMs: 12_000 } })
})

test('a step that cannot go on waits until the deadline, and no longer', () => {
  const patient = { ...SITUATION, fallback: false }
  expect(nameOf(decide(patient, { step: awayFor(patient, 86_400_000) }))).toBe('waiting')
  expect(nameOf(decide(patient, { step: awayFor(patient, 86_400_001) }))).toBe('failed')
})

test('an answer that was charged and could not be read counts the next call as a repeat, and there is one', () => {
  const unreadable: Situation = { ...SITUATION, failure: 'unreadable', fallback: false }
  expect(decide(unreadable)).toMatchObject({ outcome: { kind: 'tryAgain', call: 'ambiguous', because: 'unreadable' } })
  const spent = { ...failedAttempt(unreadable).step, paid: { calls: 2, repeats: 1, open: true } }
  expect(nameOf(decide(unreadable, { step: spent }))).toBe('failed')
})

test('an answer that could not be read, and was no call’s, leaves open what became of an earlier call', () => {
  const looked: Situation = { ...SITUATION, failure: 'unreadable', kind: 'job' }
  expect(decide(looked)).toMatchObject({ outcome: { kind: 'tryAgain', call: 'unknown' } })
})

describe('the last provider, when those before it were only away', () => {
  const step = { ...failedAttempt(SITUATION).step, away: { sinceMs: NOW_MS - 200_000, providers: ['another'] } }
  const alone: Situation = { ...SITUATION, fallback: false }

  test('gives way to them again, after as long as a fallback waits', () => {
    const unavailable = awayFor(alone, WAITED_MS.long).unavailable
    expect(decide(alone, { step: { ...step, unavailable } })).toMatchObject({
      outcome: { kind: 'cameBack', awaySinceMs: NOW_MS - WAITED_MS.long },
    })
    expect(nameOf(decide(alone, { step }))).toBe('waiting')
  })

  test('gives way to the fallback instead, or to one that has not been asked yet', () => {
    const away = { ...step, unavailable: awayFor(alone, WAITED_MS.long).unavailable }
    expect(nameOf(decide({ ...alone, fallback: true }, { step: away }))).toBe('fallBack')
    expect(decide({ ...alone, next: true }, { step: away })).toMatchObject({ outcome: { kind: 'passedOverAway' } })
  })

  test.each(['refused', 'unreadable', 'jobEnded', 'unexpected'] as const)(
    'gives the step back to them at its own end: %s',
    (failure) => {
      const spent = { ...step, attempt: 5, unreadable: 1, paid: { calls: 2, repeats: 1, open: true } }
      const ended = { ...alone, kind: 'call', failure } as const
      expect(decide(ended, { step: spent })).toMatchObject({ outcome: { kind: 'gaveBack', provider: 'vendor' } })
      expect(nameOf(decide(ended, { step: { ...spent, away: { sinceMs: 1, providers: [] } } }))).toBe('failed')
    },
  )

  test('ends the waiting when the first has been away for longer than the deadline', () => {
    const since = { ...step, away: { ...step.away, sinceMs: NOW_MS - WAITED_MS.tooLong } }
    expect(nameOf(decide(alone, { step: since }))).toBe('failed')
  })
})

describe('how long is waited', () => {
  const waitOf = (decision: Decision): number =>
    decision.next === 'settle' && 'afterMs' in decision.outcome ? decision.outcome.afterMs : NaN

  test('no longer than until the step may go on without its provider', () => {
    const failure = { ...FAILURES.away, retryAfterMs: 600_000 }
    expect(waitOf(decide(SITUATION, { failure }))).toBe(SETTINGS.fallbackAfterMs - WAITED_MS.short)
    expect(waitOf(decide({ ...SITUATION, next: true, fallback: false }, { failure }))).toBe(119_000)
    expect(waitOf(decide({ ...SITUATION, fallback: false }, { failure }))).toBe(600_000)
  })

  test('as long as the provider asks for, and longer with every wait', () => {
    const patient = { ...SITUATION, fallback: false }
    const waits = [0, 1, 2, 3, 20].map((times) => {
      const step = {
        ...failedAttempt(patient).step,
        unavailable: { service: 'vendor', sinceMs: NOW_MS, waits: times, untilMs: NOW_MS },
      }
      return waitOf(decide(patient, { step }))
    })
    expect(waits).toEqual([1_500, 3_000, 6_000, 12_000, 45_000])
    const { unavailable: _none, ...step } = failedAttempt(patient).step
    expect(waitOf(decide(patient, { step }))).toBe(1_500)
  })

  test('for a job’s state that cannot be read as for a provider that is away', () => {
    const unreadable = { ...SITUATION, failure: 'unreadable', kind: 'job', attempt: 2, fallback: false } as const
    expect(waitOf(decide(unreadable))).toBe(12_000)
  })

  test('until its breaker lets calls in again, and a little more', () => {
    expect(waitOf(decide({ ...SITUATION, failure: 'rejected', fallback: false }))).toBe(10_000)
  })

  test('since the attempt began, where the provider could not be used for the first time', () => {
    const { unavailable: _none, ...step } = failedAttempt(SITUATION).step
    const startedAtMs = NOW_MS - 119_000
    const { outcome } = decide(SITUATION, { step, startedAtMs }) as Extract<Decision, { next: 'settle' }>
    expect(outcome).toMatchObject({ kind: 'waiting', sinceMs: startedAtMs, afterMs: 1_000 })
  })

  test('since now, where the step cannot go on without it', () => {
    const { unavailable: _none, ...step } = failedAttempt(SITUATION).step
    expect(decide({ ...SITUATION, fallback: false }, { step })).toMatchObject({ outcome: { sinceMs: NOW_MS } })
  })

  test('before an answer is asked for once more, however many attempts there were', () => {
    const unreadable: Situation = { ...SITUATION, failure: 'unreadable', attempt: 4 }
    expect(waitOf(decide(unreadable, { step: { ...failedAttempt(unreadable).step, unreadable: 0 } }))).toBe(750)
  })

  test('between attempts longer and longer', () => {
    const tries = [1, 2, 3, 4] as const
    const waits = tries.map((attempt) => waitOf(decide({ ...SITUATION, failure: 'unexpected', attempt })))
    expect(waits).toEqual([750, 1_500, 3_000, 6_000])
  })
})

describe('why a step falls back', () => {
  const becauseOf = (situation: Situation, more?: Partial<FailedAttempt>) => {
    const decision = decide(situation, more)
    return decision.next === 'fallBack' ? decision.because : decision.outcome
  }

  test('its provider is away, which can pass', () => {
    expect(becauseOf({ ...SITUATION, waited: 'long' })).toEqual({ why: 'away', canPass: true })
  })

  test.each([true, false])('its provider refuses, in its words; whether that can pass, it says: %s', (canPass) => {
    const failure: Failure = { ...FAILURES.refused, canPass }
    expect(becauseOf(SITUATION, { failure })).toEqual({ why: 'refused', refusal: 'it said no', canPass })
  })

  test.each(['unexpected', 'jobEnded', 'unreadable'] as const)(
    'nothing came of asking, which can pass: %s',
    (failure) => {
      expect(becauseOf({ ...SITUATION, failure, attempt: 5 })).toEqual({ why: 'failed', canPass: true })
    },
  )
})

test.each([
  [false, false, false],
  [true, false, true],
  [false, true, true],
])(
  'a refusal whose words say retryable: %s, and that can pass: %s, is told as retryable: %s',
  (words, canPass, told) => {
    const failure: Failure = { ...FAILURES.refused, words: { ...WORDS, retryable: words }, canPass }
    expect(decide({ ...SITUATION, fallback: false }, { failure })).toMatchObject({
      outcome: { kind: 'failed', problem: { retryable: told } },
    })
  },
)

describe('what is told', () => {
  const outcomeOf = (decision: Decision) => (decision.next === 'settle' ? decision.outcome : decision.otherwise)

  test.each<[string, Situation, object]>([
    ['a wait', SITUATION, { problem: { code: 'service_unavailable', technical_message: 'vendor away' } }],
    [
      'a service of ours',
      { ...SITUATION, failure: 'ours' },
      { service: 'gcs', problem: { technical_message: 'gcs away' } },
    ],
    [
      'the end of waiting',
      { ...SITUATION, waited: 'tooLong' },
      {
        problem: { code: 'service_unavailable', message: expect.stringContaining('vendor') as string, retryable: true },
      },
    ],
    ['a refusal', { ...SITUATION, failure: 'refused' }, { problem: { ...WORDS, error_id: 'e1' } }],
    [
      'the last attempt',
      { ...SITUATION, failure: 'unexpected', attempt: 5, fallback: false },
      { problem: { code: 'attempts_exhausted', retryable: true, error_id: 'e1' } },
    ],
    [
      'an answer that could not be read',
      { ...SITUATION, failure: 'unreadable', attempt: 5, fallback: false },
      { problem: { code: 'attempts_exhausted', retryable: true } },
    ],
    [
      'an answer to an upgrade that could not be read',
      { ...SITUATION, failure: 'unreadable', fallback: false, upgrade: true },
      { problem: { code: 'attempts_exhausted', retryable: false } },
    ],
    ['another attempt', { ...SITUATION, failure: 'unexpected' }, { because: 'failed' }],
    ['the provider that is left', { ...SITUATION, failure: 'refused', next: true }, { provider: 'vendor' }],
    ['a job that has ended', { ...SITUATION, failure: 'jobEnded' }, { job: 'drop' }],
    ['a job that goes on', { ...SITUATION, failure: 'unexpected' }, { job: 'keep' }],
  ])('%s', (_name, situation, expected) => {
    expect(outcomeOf(decide(situation))).toMatchObject(expected)
  })
})
