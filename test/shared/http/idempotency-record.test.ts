import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { claim, settled } from '../../../shared/http/idempotency-record.ts'
import type { Claim, IdempotencyRecord, StoredAnswer } from '../../../shared/http/idempotency-record.ts'

const LEASE_MS = 40_000
const DAY_MS = 24 * 3_600_000
const wish = (holder: string, nowMs: number, fingerprint = 'body'): Claim => ({
  fingerprint,
  holder,
  newOperationId: `op-${holder}`,
  nowMs,
  leaseMs: LEASE_MS,
})
const answer: StoredAnswer = { status: 201, body: '{}' }

/** The record after a first try has claimed a fresh key. */
function running(): IdempotencyRecord {
  const claimed = claim(undefined, wish('first', 0))
  if (claimed.kind !== 'run') throw new Error('a fresh key must run')
  return claimed.record
}

describe('a key', () => {
  test('runs once, and its answer is replayed for a day', () => {
    const done = settled(running(), answer, 100)
    expect(claim(done, wish('again', 200))).toEqual({ kind: 'replay', answer })
    expect(claim(done, wish('again', DAY_MS))).toEqual({ kind: 'replay', answer })
    expect(claim(done, wish('again', DAY_MS + 100))).toMatchObject({
      kind: 'run',
      operationId: 'op-again',
      resumed: false,
    })
  })

  test('with another body is a mismatch, while it runs and when it is done', () => {
    for (const record of [running(), settled(running(), answer, 1)])
      expect(claim(record, wish('other', 2, 'other body'))).toEqual({ kind: 'mismatch' })
  })

  test('in use says until when', () => {
    expect(claim(running(), wish('again', 1))).toEqual({ kind: 'inFlight', untilMs: LEASE_MS })
  })

  test('whose holder died is resumed as the same operation when its lease is over', () => {
    expect(claim(running(), wish('again', LEASE_MS))).toMatchObject({
      kind: 'run',
      operationId: 'op-first',
      resumed: true,
    })
  })

  test('that was released is resumed as the same operation, or begins anew with another body', () => {
    const free = settled(running(), undefined, 10)
    expect(claim(free, wish('again', 11))).toMatchObject({ kind: 'run', operationId: 'op-first', resumed: true })
    expect(claim(free, wish('other', 11, 'other body'))).toMatchObject({ operationId: 'op-other', resumed: false })
  })

  test('recognises a claim of its own that came back as lost', () => {
    expect(claim(running(), wish('first', 5))).toMatchObject({ kind: 'run', operationId: 'op-first', resumed: false })
  })
})

type Step = { nowMs: number; do: 'claim' | 'answer' | 'fail' | 'die' }

describe('any history of one key with one body, within a day', () => {
  test('has one operation and at most one answer, and no two holders at a time', () => {
    const step = fc.record({
      nowMs: fc.integer({ min: 0, max: 60_000 }),
      do: fc.constantFrom<Step['do']>('claim', 'claim', 'answer', 'fail', 'die'),
    })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        let record: IdempotencyRecord | undefined
        let holder: string | undefined
        let nowMs = 0
        const operations = new Set<string>()
        const answers = new Set<string>()
        steps.forEach((next, index) => {
          nowMs += next.nowMs
          if (next.do === 'claim') {
            const claimed = claim(record, wish(`h${index}`, nowMs))
            if (claimed.kind === 'run') {
              // Whoever held it before has settled, or is past its lease.
              if (record?.state === 'running') expect(record.leaseUntilMs).toBeLessThanOrEqual(nowMs)
              operations.add(claimed.operationId)
              record = claimed.record
              holder = claimed.record.holder
            }
            if (claimed.kind === 'replay') answers.add(claimed.answer.body ?? '')
          } else if (record !== undefined && holder !== undefined && record.holder === holder) {
            if (next.do === 'answer') record = settled(record, { status: 201, body: holder }, nowMs)
            if (next.do === 'fail') record = settled(record, undefined, nowMs)
            holder = undefined
          }
        })
        if (nowMs < DAY_MS) expect(operations.size).toBeLessThanOrEqual(1)
        expect(answers.size).toBeLessThanOrEqual(1)
      }),
    )
  })
})
