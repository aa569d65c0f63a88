import { expect, test } from 'vitest'

import { afterFallback } from '../../../shared/engine/after-fallback.ts'
import type { FailedFallback } from '../../../shared/engine/after-fallback.ts'
import type { Outcome } from '../../../shared/engine/outcome.ts'
import type { Problem } from '../../../shared/engine/problem.ts'

/** From a fallback that cannot be had to an outcome: a table of which every situation meets exactly one row. */

const PROBLEM: Problem = { code: 'attempts_exhausted', message: 'gave up', retryable: true, error_id: 'e1' }
const BECAUSE = { why: 'refused', refusal: 'it said no', canPass: false } as const
const WAITING = { kind: 'waiting', sinceMs: 1, problem: PROBLEM, fallback: { kind: 'unknown' } } as const

/** What the step comes to without its fallback: its provider has said its last word, or is still waited for. */
const OTHERWISE = {
  over: { kind: 'failed', problem: PROBLEM, call: 'ended' },
  waits: { ...WAITING, service: 'vendor', afterMs: 7, call: 'ended' },
} as const satisfies Record<string, FailedFallback['otherwise']>

/** What the error of the fallback comes to by itself. */
const FAILED = {
  waiting: { ...WAITING, service: 'storage', afterMs: 9, call: 'unknown' },
  tryAgain: { kind: 'tryAgain', afterMs: 5, call: 'unknown', job: 'keep', because: 'failed' },
  failed: { kind: 'failed', problem: { ...PROBLEM, code: 'another' }, call: 'unknown' },
  cameBack: { kind: 'cameBack', provider: 'vendor', call: 'unknown', awaySinceMs: 1 },
  gaveBack: { kind: 'gaveBack', provider: 'vendor', call: 'unknown' },
} as const satisfies Record<string, Outcome>

const FOUND = {
  none: { kind: 'none', why: 'too large' },
  broken: { kind: 'broken' },
} as const satisfies Record<string, FailedFallback['found']>

const ATTEMPTS = [1, 4, 5, 6] as const

type Situation = {
  otherwise: keyof typeof OTHERWISE
  failed: keyof typeof FAILED
  found: keyof typeof FOUND
  attempt: (typeof ATTEMPTS)[number]
}
type Row = {
  when: { [Column in keyof Situation]?: readonly Situation[Column][] }
  becomes: Outcome
}

const NOT_WAITING = ['tryAgain', 'failed', 'cameBack', 'gaveBack'] as const

/** Each outcome says what became of the provider's call, whatever the fallback's own error says of one. */
const TABLE: readonly Row[] = [
  // Storage and room come back: the fallback is tried again, and a provider that is done with is not asked.
  {
    when: { failed: ['waiting'], otherwise: ['over'] },
    becomes: { ...FAILED.waiting, call: 'ended', fallback: { kind: 'only', because: BECAUSE } },
  },
  {
    when: { failed: ['waiting'], otherwise: ['waits'] },
    becomes: { ...FAILED.waiting, call: 'ended', fallback: { kind: 'unknown' } },
  },
  // The provider is waited for, and the fallback not tried again.
  {
    when: { failed: NOT_WAITING, otherwise: ['waits'], found: ['none'] },
    becomes: { ...OTHERWISE.waits, fallback: { kind: 'none', why: 'too large' } },
  },
  {
    when: { failed: NOT_WAITING, otherwise: ['waits'], found: ['broken'] },
    becomes: { ...OTHERWISE.waits, fallback: { kind: 'none', why: 'doing without the provider failed' } },
  },
  // One that broke may not break again, as long as there are attempts.
  {
    when: { failed: ['tryAgain'], otherwise: ['over'], found: ['broken'], attempt: [1, 4] },
    becomes: { ...FAILED.tryAgain, call: 'ended' },
  },
  {
    when: { failed: ['tryAgain'], otherwise: ['over'], found: ['broken'], attempt: [5, 6] },
    becomes: OTHERWISE.over,
  },
  { when: { failed: ['tryAgain'], otherwise: ['over'], found: ['none'] }, becomes: OTHERWISE.over },
  { when: { failed: ['failed', 'cameBack', 'gaveBack'], otherwise: ['over'] }, becomes: OTHERWISE.over },
]

const SITUATIONS: Situation[] = []
for (const otherwise of ['over', 'waits'] as const)
  for (const failed of ['waiting', ...NOT_WAITING] as const)
    for (const found of ['none', 'broken'] as const)
      for (const attempt of ATTEMPTS) SITUATIONS.push({ otherwise, failed, found, attempt })

function matches({ when }: Row, situation: Situation): boolean {
  return Object.entries(when).every(([column, allowed]) =>
    (allowed as readonly unknown[]).includes(situation[column as keyof Situation]),
  )
}

const decide = ({ otherwise, failed, found, attempt }: Situation): Outcome =>
  afterFallback({
    call: 'ended',
    because: BECAUSE,
    otherwise: OTHERWISE[otherwise],
    found: FOUND[found],
    failed: FAILED[failed],
    attempt,
  })

test('the table has exactly one row for every situation', () => {
  for (const situation of SITUATIONS) {
    const rows = TABLE.filter((row) => matches(row, situation))
    expect([situation, rows.length]).toEqual([situation, 1])
  }
})

test.each(TABLE.map((row) => [`${JSON.stringify(row.when)} -> ${row.becomes.kind}`, row] as const))(
  '%s',
  (_name, row) => {
    const met = SITUATIONS.filter((situation) => matches(row, situation))
    expect(met.length).toBeGreaterThan(0)
    for (const situation of met) expect([situation, decide(situation)]).toEqual([situation, row.becomes])
  },
)
