import { AggregateField, FieldValue, Firestore } from '@google-cloud/firestore'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'

import { Faults } from '../../infra/local/faults.ts'
import { firestoreService } from '../../infra/local/firestore/service.ts'
import { Journal } from '../../infra/local/journal.ts'

/* What the journal tells of Firestore's calls, as Google bills them. */

const faults = new Faults()
const journal = new Journal()
const service = firestoreService(faults, undefined, { journal })
let db: Firestore

beforeAll(async () => {
  await service.start()
  process.env['FIRESTORE_EMULATOR_HOST'] = service.address
  process.env['METADATA_SERVER_DETECTION'] = 'none'
  db = new Firestore({ projectId: 'demo-journal' })
  await Promise.all([1, 2, 3, 4, 5].map((n) => db.doc(`five/${n}`).set({ n })))
})
afterAll(async () => {
  await db.terminate()
  service.stop()
})
afterEach(() => faults.clear())

/** What a piece of work is billed, call by call. */
async function billed(work: () => Promise<unknown>) {
  journal.clear()
  await work()
  return journal.of('firestore').map(({ method, status, reads, writes, deletes, collections }) => ({
    call: `${method} ${status}`,
    amounts: [reads, writes, deletes],
    of: Object.keys(collections ?? {}),
  }))
}

describe('the journal of Firestore', () => {
  test('tells a read for each document that is looked up, there or not', async () => {
    expect(await billed(() => db.doc('five/1').get())).toEqual([
      { call: 'BatchGetDocuments 0', amounts: [1, 0, 0], of: ['five'] },
    ])
    expect(await billed(() => db.getAll(db.doc('five/1'), db.doc('five/none'), db.doc('other/1')))).toEqual([
      { call: 'BatchGetDocuments 0', amounts: [3, 0, 0], of: ['five', 'other'] },
    ])
  })

  test.each([
    ['each document that a query finds', (five: FirebaseFirestore.Query) => five.limit(3).get(), 3],
    ['those that an offset skips', (five: FirebaseFirestore.Query) => five.offset(2).limit(1).get(), 3],
    ['a query that finds nothing', (five: FirebaseFirestore.Query) => five.where('n', '>', 9).get(), 1],
  ])('tells the reads of %s', async (_what, query, reads) => {
    expect(await billed(() => query(db.collection('five')))).toEqual([
      { call: 'RunQuery 0', amounts: [reads, 0, 0], of: ['five'] },
    ])
  })

  test('tells a read for a thousand entries of an aggregation', async () => {
    const five = db.collection('five')
    for (const query of [five.count(), five.where('n', '>', 9).count(), five.aggregate({ n: AggregateField.sum('n') })])
      expect(await billed(() => query.get())).toEqual([
        { call: 'RunAggregationQuery 0', amounts: [1, 0, 0], of: ['five'] },
      ])
    const many = db.bulkWriter()
    for (let n = 0; n < 1001; n++) void many.set(db.doc(`many/${n}`), {})
    await many.close()
    expect(await billed(() => db.collection('many').count().get())).toMatchObject([{ amounts: [2, 0, 0] }])
  })

  test('tells a write or a delete for each document of a commit, also where nothing changes', async () => {
    const batch = db.batch()
    batch.set(db.doc('five/1'), { n: 1 })
    batch.set(db.doc('five/2'), { n: 2 })
    batch.update(db.doc('five/2'), { n: FieldValue.increment(0) })
    batch.delete(db.doc('other/none'))
    expect(await billed(() => batch.commit())).toEqual([
      { call: 'Commit 0', amounts: [0, 2, 1], of: ['five', 'other'] },
    ])
  })

  test('tells what a transaction reads and writes', async () => {
    const calls = await billed(() =>
      db.runTransaction(async (transaction) => {
        const { n } = (await transaction.get(db.doc('five/3'))).data() as { n: number }
        transaction.update(db.doc('five/3'), { n })
      }),
    )
    expect(calls.map(({ amounts }) => amounts).filter((amounts) => amounts.some((count) => count !== 0))).toEqual([
      [1, 0, 0],
      [0, 1, 0],
    ])
  })

  test('tells the writes of a bulk that landed, and no others', async () => {
    const calls = await billed(async () => {
      const bulk = db.bulkWriter()
      bulk.onWriteError(() => false)
      const outcomes = [bulk.create(db.doc('five/1'), {}), bulk.create(db.doc('bulk/1'), {})].map((one) =>
        one.then(String, String),
      )
      await bulk.close()
      await Promise.all(outcomes)
    })
    expect(calls).toEqual([{ call: 'BatchWrite 0', amounts: [0, 1, 0], of: ['bulk'] }])
  })

  test('tells lists of documents and of collections', async () => {
    expect(await billed(() => db.collection('five').listDocuments())).toMatchObject([{ amounts: [5, 0, 0] }])
    expect(await billed(() => db.listCollections())).toEqual([
      { call: 'ListCollectionIds 0', amounts: [1, 0, 0], of: [''] },
    ])
  })

  test('bills nothing for a call that fails, whatever it fails by', async () => {
    const lost = () => db.doc('five/1').create({}).catch(String)
    expect(await billed(lost)).toEqual([{ call: 'Commit 6', amounts: [0, 0, 0], of: [] }])
    await faults.set('firestore', { mode: 'status', times: 1 })
    expect((await billed(() => db.doc('five/1').get().catch(String)))[0]).toEqual({
      call: 'BatchGetDocuments 14',
      amounts: [0, 0, 0],
      of: [],
    })
  })
})

test('what one target is asked pushes nothing of another out', () => {
  const full = new Journal()
  full.record('gemini', { status: 200 })
  for (let n = 0; n < 120_000; n++) full.record('firestore', { status: 0 })
  expect(full.of('gemini')).toHaveLength(1)
  expect(full.of('firestore').length).toBeLessThanOrEqual(50_000)
})
