import { describe, expect, test } from 'vitest'

import { afterFailure } from '../../../shared/engine/after-failure.ts'
import type { FailedAttempt } from '../../../shared/engine/after-failure.ts'
import { Unfetched } from '../../../shared/engine/failure.ts'
import type { StepKind } from '../../../shared/engine/definition.ts'
import { failing, opened } from './by-hand.ts'
import type { ByHand } from './by-hand.ts'

/** A provider that could not fetch from a service of ours: whose absence that is, and what it costs. */

const DAY_MS = 86_400_000
const NOW_MS = 1_000_000_000
const SETTINGS = { fallbackAfterMs: 120_000, deadlineMs: DAY_MS }

type Situation = {
  isAway: boolean
  kind: StepKind
  /** How often it was so before, although the service answered. */
  before: number
  attempt: number
  hasNextProvider: boolean
  mayFallBack: boolean
  isUpgrade: boolean
}
const JOB: Situation = {
  isAway: true,
  kind: 'job',
  before: 0,
  attempt: 1,
  hasNextProvider: false,
  mayFallBack: false,
  isUpgrade: false,
}

function decide(some: Partial<Situation>, waitedMs = 1_000) {
  const { isAway, before, attempt, ...more } = { ...JOB, ...some }
  const failed: FailedAttempt = {
    failure: { kind: 'unfetched', service: 'gcs', isAway, technical: 'it could not fetch' },
    provider: 'vendor',
    step: {
      state: 'running',
      attempt,
      dispatch: 1,
      ...(before > 0 && { unfetched: before }),
      unavailable: { service: 'gcs', sinceMs: NOW_MS - waitedMs, waits: 3, untilMs: NOW_MS },
    },
    callCounted: more.kind === 'call',
    callLeft: true,
    wasCharged: false,
    startedAtMs: NOW_MS - 500,
    jitter: 0.5,
    errorId: 'e1',
    ...more,
  }
  const decision = afterFailure(failed, SETTINGS, NOW_MS)
  return decision.next === 'settle' ? decision.outcome : { kind: 'fallBack', call: decision.call }
}

const WAITS = { kind: 'waiting', service: 'gcs', job: 'drop' }

describe('while our service is away', () => {
  test.each<[string, Partial<Situation>]>([
    ['a job', {}],
    ['a call', { kind: 'call' }],
    ['the last attempt', { attempt: 5 }],
    ['for the tenth time', { before: 10 }],
    ['where another provider could be asked, which would fetch no better', { hasNextProvider: true }],
    ['where there is a fallback, which would read no better', { mayFallBack: true }],
    ['an upgrade', { isUpgrade: true }],
  ])('it is waited for: %s', (_what, some) => {
    expect(decide(some)).toMatchObject({ ...WAITS, unfetched: 0 })
    expect(decide(some, 130_000)).toMatchObject({ ...WAITS, unfetched: 0 })
  })

  test('a call that was refused is over: the next is no repeat', () => {
    expect(decide({ kind: 'call' })).toMatchObject({ call: 'ended' })
  })

  test('it is waited for until the deadline, and no longer', () => {
    expect(decide({}, DAY_MS + 1)).toMatchObject({ kind: 'failed', problem: { code: 'service_unavailable' } })
  })
})

describe('when our service answers', () => {
  test.each<[string, Partial<Situation>, object]>([
    ['once it may have been away a moment ago', {}, { ...WAITS, unfetched: 1 }],
    ['and twice', { before: 1 }, { ...WAITS, unfetched: 1 }],
    ['then a job that ended counts', { before: 2 }, { kind: 'tryAgain', job: 'drop', because: 'failed' }],
    ['at the last attempt', { before: 2, attempt: 5 }, { kind: 'failed', problem: { code: 'attempts_exhausted' } }],
    ['with a fallback, at the second', { before: 2, attempt: 2, mayFallBack: true }, { kind: 'fallBack' }],
    ['with another provider, at the second', { before: 2, attempt: 2, hasNextProvider: true }, { kind: 'passedOver' }],
    ['then a call counts', { before: 2, kind: 'call' }, { kind: 'tryAgain', because: 'unreadable' }],
    ['and of an upgrade is its end', { before: 2, kind: 'call', isUpgrade: true }, { kind: 'failed' }],
  ])('%s', (_what, some, outcome) => {
    expect(decide({ isAway: false, ...some })).toMatchObject(outcome)
  })
})

describe('a step', () => {
  const unfetched = (isAway: boolean) => failing(() => new Unfetched('gcs', isAway, 'it could not fetch'))

  test('whose provider fails ten times, storage being away, has spent nothing, and makes a job of its own then', async () => {
    const bench = await opened('master')
    expect((await bench.carryOut('master')).kind).toBe('polling')
    const first = bench.step('master').job?.providerJobId
    for (let times = 0; times < 10; times++) {
      await due(bench)
      expect((await bench.carryOut('master', unfetched(true))).kind).toBe('waiting')
      expect(bench.step('master')).toMatchObject({ state: 'waiting', attempt: 1, unavailable: { service: 'gcs' } })
      expect(bench.step('master')).not.toHaveProperty('job')
    }
    await finish(bench)
    expect(bench.step('master')).toMatchObject({ state: 'done', attempt: 1 })
    expect(bench.step('master').job?.providerJobId).not.toBe(first)
  })

  test('whose provider fails for good gives up in the end', async () => {
    const bench = await opened('transcribe')
    const ends: string[] = []
    for (let times = 0; times < 30 && bench.world.order.status === 'processing'; times++) {
      await due(bench)
      const { kind: outcome } = await bench.carryOut('transcribe', unfetched(false))
      ends.push(outcome)
    }
    expect(bench.world.order.status).toBe('error')
    expect(ends.filter((end) => end === 'waiting').length).toBeLessThanOrEqual(4)
  })

  async function due(bench: ByHand): Promise<void> {
    await bench.passUntil(bench.step('master').nextCheckAtMs ?? bench.step('transcribe').nextCheckAtMs ?? 0)
  }
  async function finish(bench: ByHand): Promise<void> {
    for (let times = 0; times < 20 && bench.step('master').state !== 'done'; times++) {
      await due(bench)
      await bench.carryOut('master')
    }
  }
})
