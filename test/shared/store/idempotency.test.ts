import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { Claim, Claimed, Held } from '../../../shared/http/idempotency-record.ts'
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
const wish = (fingerprint = 'body'): Claim => ({
  fingerprint,
  holder: `holder-${tries++}`,
  newOperationId: `operation-${tries}`,
  nowMs,
  leaseMs: 10_000,
})

function running(claimed: Claimed): Held {
  if (claimed.kind !== 'run') throw new Error(`expected to run, not ${claimed.kind}`)
  return claimed
}

describe('a key in the store', () => {
  test('is claimed by one of many instances at once', async () => {
    const claims = await Promise.all(Array.from({ length: 10 }, async () => records().claim('race', wish())))
    expect(claims.filter(({ kind }) => kind === 'run')).toHaveLength(1)
    expect(claims.filter(({ kind }) => kind === 'inFlight')).toHaveLength(9)
  })

  test('is held by its try although the client repeats a commit whose answer was lost', async () => {
    let commits = 0
    const repeating: FirestoreAccess = {
      ...access,
      async call(what, work) {
        const result = await access.call(what, work)
        return commits++ === 0 ? access.call(what, work) : result
      },
    }
    const one = idempotencyRecords(repeating, () => nowMs)
    const held = running(await one.claim('repeated', wish()))
    expect(held).toMatchObject({ resumed: false })
    expect(await one.settle('repeated', held, { status: 201 })).toBe(true)
    expect(await records().claim('repeated', wish())).toEqual({ kind: 'replay', answer: { status: 201 } })
  })

  test('is replayed by every instance once it is settled', async () => {
    const one = records()
    expect(await one.settle('kept', running(await one.claim('kept', wish())), { status: 201, body: '{}' })).toBe(true)
    expect(await records().claim('kept', wish())).toEqual({ kind: 'replay', answer: { status: 201, body: '{}' } })
  })

  test('is not settled by a try that another has taken over from', async () => {
    const one = records()
    const late = running(await one.claim('taken', wish()))
    nowMs += 10_001
    const other = records()
    const successor = running(await other.claim('taken', wish()))
    expect(successor).toMatchObject({ operationId: late.operationId, resumed: true })
    expect(await one.settle('taken', late, { status: 201, body: '"late"' })).toBe(false)
    expect(await other.settle('taken', successor, { status: 201, body: '"mine"' })).toBe(true)
    expect(await one.settle('taken', late, { status: 201, body: '"late"' })).toBe(false)
    expect(await records().claim('taken', wish())).toMatchObject({ answer: { body: '"mine"' } })
  })

  test('begins anew when it has expired, although its document is still there', async () => {
    const one = records()
    await one.settle('old', running(await one.claim('old', wish())), { status: 201 })
    nowMs += DAY_MS
    expect(await records().claim('old', wish('another body'))).toMatchObject({ kind: 'run', resumed: false })
    expect(await records().claim('old', wish('another body'))).toMatchObject({ kind: 'inFlight' })
  })

  test('whose record cannot be read is refused', async () => {
    await access.call('spoil', (db) => db.collection('idempotency').doc('spoilt').set({ state: 'odd' }))
    await expect(records().claim('spoilt', wish())).rejects.toMatchObject({ kind: 'unavailable', service: 'firestore' })
  })
})
