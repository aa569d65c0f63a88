import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { BegunTry, NewTry, RunningTry } from '../../../shared/http/idempotency-record.ts'
import type { FirestoreAccess } from '../../../shared/store/firestore.ts'
import { idempotencyRecords } from '../../../shared/store/idempotency.ts'
import { startStore } from '../store-fixture.ts'

const DAY_MS = 24 * 3_600_000
let store: Awaited<ReturnType<typeof startStore>>
let access: FirestoreAccess
let nowMs = 1_000_000

beforeAll(async () => {
  store = await startStore()
  access = store.access
})
afterAll(() => store.stop())

/** As another instance would have it. */
const records = () => idempotencyRecords(access, () => nowMs)
let tries = 0
const newTry = (fingerprint = 'body'): NewTry => ({
  fingerprint,
  holder: `holder-${tries++}`,
  newOperationId: `operation-${tries}`,
  nowMs,
  leaseMs: 10_000,
})

function running(begun: BegunTry): RunningTry {
  if (begun.kind !== 'run') throw new Error(`expected to run, not ${begun.kind}`)
  return begun
}

describe('a key in the store', () => {
  test('is begun by one of many instances at once', async () => {
    const begun = await Promise.all(Array.from({ length: 10 }, async () => records().begin('race', newTry())))
    expect(begun.filter(({ kind }) => kind === 'run')).toHaveLength(1)
    expect(begun.filter(({ kind }) => kind === 'inFlight')).toHaveLength(9)
  })

  test.each([
    ['held', 1],
    ['settled', 2],
  ])('is %s by its try although the client repeats a commit whose answer was lost', async (_what, repeated) => {
    let commits = 0
    const repeating: FirestoreAccess = {
      ...access,
      async call(what, work) {
        const result = await access.call(what, work)
        return ++commits === repeated ? access.call(what, work) : result
      },
    }
    const one = idempotencyRecords(repeating, () => nowMs)
    const held = running(await one.begin(`repeated ${repeated}`, newTry()))
    expect(held).toMatchObject({ resumed: false })
    expect(await one.settle(`repeated ${repeated}`, held, { status: 201 })).toBe(true)
    expect(await records().begin(`repeated ${repeated}`, newTry())).toEqual({ kind: 'replay', answer: { status: 201 } })
  })

  test('is replayed by every instance once it is settled', async () => {
    const one = records()
    expect(await one.settle('kept', running(await one.begin('kept', newTry())), { status: 201, body: '{}' })).toBe(true)
    expect(await records().begin('kept', newTry())).toEqual({ kind: 'replay', answer: { status: 201, body: '{}' } })
  })

  test('is not settled by a try that another has taken over from', async () => {
    const one = records()
    const late = running(await one.begin('taken', newTry()))
    nowMs += 10_001
    const other = records()
    const successor = running(await other.begin('taken', newTry()))
    expect(successor).toMatchObject({ operationId: late.operationId, resumed: true })
    expect(await one.settle('taken', late, { status: 201, body: '"late"' })).toBe(false)
    expect(await other.settle('taken', successor, { status: 201, body: '"mine"' })).toBe(true)
    expect(await one.settle('taken', late, { status: 201, body: '"late"' })).toBe(false)
    expect(await records().begin('taken', newTry())).toMatchObject({ answer: { body: '"mine"' } })
  })

  test('begins anew when it has expired, although its document is still there', async () => {
    const one = records()
    await one.settle('old', running(await one.begin('old', newTry())), { status: 201 })
    nowMs += DAY_MS
    expect(await records().begin('old', newTry('another body'))).toMatchObject({ kind: 'run', resumed: false })
    expect(await records().begin('old', newTry('another body'))).toMatchObject({ kind: 'inFlight' })
  })

  test('whose record cannot be read is refused', async () => {
    await access.call('spoil', (db) => db.collection('idempotency').doc('spoilt').set({ state: 'odd' }))
    await expect(records().begin('spoilt', newTry())).rejects.toMatchObject({
      kind: 'unavailable',
      service: 'firestore',
    })
  })
})
