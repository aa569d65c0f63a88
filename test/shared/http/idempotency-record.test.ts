import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { beginTry, settleTry } from '../../../shared/http/idempotency-record.ts'
import type { NewTry, IdempotencyRecord, StoredAnswer } from '../../../shared/http/idempotency-record.ts'

const LEASE_MS = 40_000
const DAY_MS = 24 * 3_600_000
const tryOf = (holder: string, nowMs: number, fingerprint = 'body'): NewTry => ({
  fingerprint,
  holder,
  newOperationId: `op-${holder}`,
  nowMs,
  leaseMs: LEASE_MS,
})
const answer: StoredAnswer = { status: 201, body: '{}' }

/** The record after a first try has begun a fresh key. */
function running(): IdempotencyRecord {
  const begun = beginTry(undefined, tryOf('first', 0))
  if (begun.kind !== 'run') throw new Error('a fresh key must run')
  return begun.record
}

describe('a key', () => {
  test('runs once, and its answer is replayed for a day', () => {
    const done = settleTry(running(), answer, 100)
    expect(beginTry(done, tryOf('again', 200))).toEqual({ kind: 'replay', answer })
    expect(beginTry(done, tryOf('again', DAY_MS))).toEqual({ kind: 'replay', answer })
    expect(beginTry(done, tryOf('again', DAY_MS + 100))).toMatchObject({
      kind: 'run',
      operationId: 'op-again',
      resumed: false,
    })
  })

  test('with another body is a mismatch, while it runs and when it is done', () => {
    for (const record of [running(), settleTry(running(), answer, 1)])
      expect(beginTry(record, tryOf('other', 2, 'other body'))).toEqual({ kind: 'mismatch' })
  })

  test('in use says until when', () => {
    expect(beginTry(running(), tryOf('again', 1))).toEqual({ kind: 'inFlight', untilMs: LEASE_MS })
  })

  test('whose holder died is resumed as the same operation when its lease is over', () => {
    expect(beginTry(running(), tryOf('again', LEASE_MS))).toMatchObject({
      kind: 'run',
      operationId: 'op-first',
      resumed: true,
    })
  })

  test('that was released is resumed as the same operation, or begins anew with another body', () => {
    const free = settleTry(running(), undefined, 10)
    expect(beginTry(free, tryOf('again', 11))).toMatchObject({ kind: 'run', operationId: 'op-first', resumed: true })
    expect(beginTry(free, tryOf('other', 11, 'other body'))).toMatchObject({ operationId: 'op-other', resumed: false })
  })

  test('recognises a beginning of its own that came back as lost', () => {
    expect(beginTry(running(), tryOf('first', 5))).toMatchObject({
      kind: 'run',
      operationId: 'op-first',
      resumed: false,
    })
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
            const begun = beginTry(record, tryOf(`h${index}`, nowMs))
            if (begun.kind === 'run') {
              // Whoever held it before has settled, or is past its lease.
              if (record?.state === 'running') expect(record.leaseUntilMs).toBeLessThanOrEqual(nowMs)
              operations.add(begun.operationId)
              record = begun.record
              holder = begun.record.holder
            }
            if (begun.kind === 'replay') answers.add(begun.answer.body ?? '')
          } else if (record !== undefined && holder !== undefined && record.holder === holder) {
            if (next.do === 'answer') record = settleTry(record, { status: 201, body: holder }, nowMs)
            if (next.do === 'fail') record = settleTry(record, undefined, nowMs)
            holder = undefined
          }
        })
        if (nowMs < DAY_MS) expect(operations.size).toBeLessThanOrEqual(1)
        expect(answers.size).toBeLessThanOrEqual(1)
      }),
    )
  })
})
