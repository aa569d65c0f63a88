import { fork } from 'node:child_process'

import { AggregateField, FieldPath, FieldValue, Filter, Firestore, GeoPoint, Timestamp } from '@google-cloud/firestore'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { CounterJob, CounterReport } from './firestore-counter.ts'

const PROJECT = 'demo-contract'
/** The official emulator takes whole seconds over contended transactions. */
const CONTENTION_TIMEOUT_MS = 60_000

/**
 * What we rely on Firestore for, run against every server that claims to be one.
 * @param tornReadsMax of twenty transactions that only read, those which may see two moments at once: none, except with
 *   Google's emulator, which lets one or two of a hundred do so on a busy machine, as Firestore itself never does
 */
export function firestoreContract(
  name: string,
  start: () => Promise<{ address: string; stop: () => Promise<void> | void }>,
  { tornReadsMax = 0 } = {},
): void {
  describe(`Firestore: ${name}`, () => {
    let db: Firestore
    let server: Awaited<ReturnType<typeof start>>
    let collections = 0
    const fresh = () => db.collection(`c${Date.now().toString(36)}${collections++}`)

    beforeAll(async () => {
      server = await start()
      process.env['FIRESTORE_EMULATOR_HOST'] = server.address
      process.env['METADATA_SERVER_DETECTION'] = 'none'
      db = new Firestore({ projectId: PROJECT })
    })
    afterAll(async () => {
      await db?.terminate()
      await server?.stop()
    })

    describe('documents', () => {
      test('keep every type of value', async () => {
        const document = fresh().doc('types')
        const data = {
          text: 'x',
          whole: 2 ** 40,
          negative: -1,
          fraction: 1.5,
          yes: true,
          no: false,
          nothing: null,
          time: Timestamp.fromMillis(1_700_000_000_123),
          bytes: Buffer.from('hi'),
          list: [1, 'a', { z: 1 }],
          map: { a: { b: 1 }, empty: {} },
          point: new GeoPoint(1, 2),
        }
        await document.set(data)
        expect((await document.get()).data()).toEqual(data)
      })

      test('are updated field by field, merged and deleted', async () => {
        const document = fresh().doc('a')
        await document.set({ x: 1, nested: { p: 1, q: 2 }, 'odd key': 1 })
        await document.update({ 'nested.p': 5 })
        await document.update(new FieldPath('odd key'), 2)
        await document.set({ y: 2 }, { merge: true })
        await document.update({ x: FieldValue.delete() })
        expect((await document.get()).data()).toEqual({ nested: { p: 5, q: 2 }, 'odd key': 2, y: 2 })
        await document.delete()
        expect((await document.get()).exists).toBe(false)
      })

      test('are transformed by the server', async () => {
        const document = fresh().doc('a')
        await document.set({ n: 1, list: [1] })
        await document.update({
          n: FieldValue.increment(4),
          list: FieldValue.arrayUnion(2, 1),
          at: FieldValue.serverTimestamp(),
        })
        await document.update({ list: FieldValue.arrayRemove(1) })
        const data = (await document.get()).data()
        expect(data).toMatchObject({ n: 5, list: [2] })
        expect(data?.['at']).toBeInstanceOf(Timestamp)
      })

      test('over 1 MiB, or with a reserved id, are refused', async () => {
        await expect(
          fresh()
            .doc('big')
            .set({ text: 'x'.repeat(1_100_000) }),
        ).rejects.toMatchObject({ code: 3 })
        await expect(fresh().doc('__x__').set({ a: 1 })).rejects.toMatchObject({ code: 3 })
      })

      test('are read together, masked', async () => {
        const collection = fresh()
        await collection.doc('a').set({ x: 1, y: 2 })
        const [a, missing] = await db.getAll(collection.doc('a'), collection.doc('b'), { fieldMask: ['x'] })
        expect(a?.data()).toEqual({ x: 1 })
        expect(missing?.exists).toBe(false)
      })
    })

    describe('preconditions', () => {
      test('create refuses what is there, update what is not', async () => {
        const document = fresh().doc('a')
        await document.create({ a: 1 })
        await expect(document.create({ a: 1 })).rejects.toMatchObject({ code: 6 })
        await expect(fresh().doc('none').update({ a: 1 })).rejects.toMatchObject({ code: 5 })
      })

      test('an update time that is not the newest changes nothing', async () => {
        const document = fresh().doc('a')
        const first = await document.set({ n: 1 })
        await document.update({ n: 2 }, { lastUpdateTime: first.writeTime })
        await expect(document.update({ n: 3 }, { lastUpdateTime: first.writeTime })).rejects.toMatchObject({ code: 9 })
        expect((await document.get()).data()).toEqual({ n: 2 })
      })

      test('every change has an update time of its own', async () => {
        const document = fresh().doc('a')
        const times = new Set<string>()
        for (let n = 0; n < 20; n++) times.add((await document.set({ n })).writeTime.valueOf())
        expect(times.size).toBe(20)
      })

      test('a batch is written whole or not at all', async () => {
        const collection = fresh()
        const batch = db.batch()
        batch.set(collection.doc('a'), { x: 1 })
        batch.update(collection.doc('missing'), { x: 1 })
        await expect(batch.commit()).rejects.toMatchObject({ code: 5 })
        expect((await collection.doc('a').get()).exists).toBe(false)
      })
    })

    describe('queries', () => {
      let collection: FirebaseFirestore.CollectionReference
      const ids = (found: FirebaseFirestore.QuerySnapshot) => found.docs.map(({ id }) => id)

      beforeAll(async () => {
        collection = fresh()
        const batch = db.batch()
        for (let i = 0; i < 30; i++)
          batch.set(collection.doc(`d${String(i).padStart(2, '0')}`), {
            i,
            mod: i % 3,
            tag: i % 2 ? 'odd' : 'even',
            list: [i % 4, `k${i % 5}`],
            at: Timestamp.fromMillis(1e12 + i * 1000),
            nested: { v: i },
            ...(i < 5 && { rare: i }),
          })
        await batch.commit()
      })

      test.each<[string, (all: FirebaseFirestore.CollectionReference) => FirebaseFirestore.Query, number]>([
        ['==', (all) => all.where('mod', '==', 1), 10],
        ['!=', (all) => all.where('mod', '!=', 0), 20],
        ['in', (all) => all.where('i', 'in', [1, 2, 99]), 2],
        ['not-in', (all) => all.where('mod', 'not-in', [0, 1]), 10],
        ['array-contains', (all) => all.where('list', 'array-contains', 2), 7],
        ['array-contains-any', (all) => all.where('list', 'array-contains-any', ['k1', 'k2']), 12],
        ['time range', (all) => all.where('at', '<', Timestamp.fromMillis(1e12 + 5000)), 5],
        ['nested field', (all) => all.where('nested.v', '==', 7), 1],
        ['or', (all) => all.where(Filter.or(Filter.where('i', '==', 1), Filter.where('mod', '==', 0))), 11],
        ['two inequalities', (all) => all.where('i', '>', 5).where('mod', '>', 1), 8],
        ['a field only some have', (all) => all.orderBy('rare'), 5],
        ['another type', (all) => all.where('i', '>', 'a'), 0],
      ])('%s', async (_name, query, count) => {
        expect((await query(collection).get()).size).toBe(count)
      })

      test('sort by several fields, each its way', async () => {
        expect(ids(await collection.orderBy('mod').orderBy('i', 'desc').limit(2).get())).toEqual(['d27', 'd24'])
        expect(ids(await collection.where('mod', '==', 1).orderBy('i', 'desc').limit(2).get())).toEqual(['d28', 'd25'])
      })

      test('go on from a cursor of values or of a document', async () => {
        expect(ids(await collection.orderBy('i').startAfter(4).limit(2).get())).toEqual(['d05', 'd06'])
        expect(ids(await collection.orderBy('i').startAt(3).endBefore(6).get())).toEqual(['d03', 'd04', 'd05'])
        const document = await collection.doc('d10').get()
        expect(ids(await collection.orderBy('mod').startAfter(document).limit(2).get())).toEqual(['d13', 'd16'])
        expect(ids(await collection.orderBy('i').limitToLast(2).get())).toEqual(['d28', 'd29'])
        expect(ids(await collection.orderBy('i').offset(5).limit(1).get())).toEqual(['d05'])
        const [first] = (await collection.orderBy('mod', 'desc').orderBy('i', 'desc').startAfter(2, 29).limit(1).get())
          .docs
        expect(first?.id).toBe('d26')
      })

      test('project fields and filter by document id', async () => {
        const [one] = (await collection.where('i', '==', 3).select('tag').get()).docs
        expect(one?.data()).toEqual({ tag: 'odd' })
        expect(ids(await collection.where(FieldPath.documentId(), '>=', 'd28').get())).toEqual(['d28', 'd29'])
      })

      test('span collections of one name', async () => {
        const group = `g${Date.now().toString(36)}`
        await db.doc(`parents/1/${group}/x`).set({ v: 1 })
        await db.doc(`parents/2/${group}/y`).set({ v: 2 })
        expect((await db.collectionGroup(group).where('v', '>', 0).get()).size).toBe(2)
      })

      test('count, add up and average', async () => {
        const odd = collection.where('mod', '==', 1)
        const result = await odd
          .aggregate({ n: AggregateField.count(), sum: AggregateField.sum('i'), mean: AggregateField.average('i') })
          .get()
        expect(result.data()).toEqual({ n: 10, sum: 145, mean: 14.5 })
        expect((await collection.limit(7).count().get()).data()).toEqual({ count: 7 })
      })

      test('list documents and subcollections', async () => {
        expect(await collection.listDocuments()).toHaveLength(30)
        const parent = fresh().doc('p')
        await parent.collection('sub').doc('x').set({ a: 1 })
        expect((await parent.listCollections()).map(({ id }) => id)).toEqual(['sub'])
      })
    })

    describe('BulkWriter', () => {
      test('writes many, and reports each failure on its own', async () => {
        const collection = fresh()
        await collection.doc('taken').set({ a: 1 })
        const writer = db.bulkWriter()
        const codes: number[] = []
        writer.onWriteError((error) => {
          codes.push(error.code)
          return false
        })
        writer.create(collection.doc('taken'), { a: 2 }).catch(() => undefined)
        for (let i = 0; i < 300; i++) void writer.set(collection.doc(`x${i}`), { i })
        await writer.close()
        expect(codes).toEqual([6])
        expect((await collection.count().get()).data().count).toBe(301)
      })

      test('removes a tree', async () => {
        const collection = fresh()
        await collection.doc('a').set({ a: 1 })
        await collection.doc('a').collection('sub').doc('x').set({ a: 1 })
        await db.recursiveDelete(collection)
        expect((await collection.doc('a').collection('sub').doc('x').get()).exists).toBe(false)
      })
    })

    describe('transactions', () => {
      test('read and write, queries and aggregates included', async () => {
        const collection = fresh()
        await collection.doc('a').set({ v: 1 })
        await collection.doc('b').set({ v: 2 })
        const seen = await db.runTransaction(async (transaction) => {
          const { count } = (await transaction.get(collection.count())).data()
          const found = await transaction.get(collection.where('v', '>', 0))
          for (const document of found.docs) transaction.update(document.ref, { v: 10 })
          return [count, found.size]
        })
        expect(seen).toEqual([2, 2])
        expect((await collection.where('v', '==', 10).get()).size).toBe(2)
      })

      test('that throw leave nothing behind', async () => {
        const document = fresh().doc('a')
        const failing = db.runTransaction(async (transaction) => {
          await transaction.get(document)
          transaction.set(document, { n: 1 })
          throw new Error('changed my mind')
        })
        await expect(failing).rejects.toThrow('changed my mind')
        expect((await document.get()).exists).toBe(false)
      })

      test('do not lose a write from outside', { timeout: CONTENTION_TIMEOUT_MS }, async () => {
        const document = fresh().doc('a')
        await document.set({ n: 0 })
        let outside: Promise<unknown> | undefined
        await db.runTransaction(async (transaction) => {
          const { n } = (await transaction.get(document)).data() as { n: number }
          outside ??= document.update({ n: FieldValue.increment(100) })
          await new Promise((resolve) => setTimeout(resolve, 50))
          transaction.update(document, { n: n + 1 })
        })
        await outside
        expect((await document.get()).data()).toEqual({ n: 101 })
      })

      test('do not let two decide on what the other is changing', { timeout: CONTENTION_TIMEOUT_MS }, async () => {
        const collection = fresh()
        const [a, b] = [collection.doc('a'), collection.doc('b')]
        await Promise.all([a.set({ on: true }), b.set({ on: true })])
        const turnOff = (mine: FirebaseFirestore.DocumentReference) =>
          db.runTransaction(async (transaction) => {
            const both = await transaction.getAll(a, b)
            await new Promise((resolve) => setTimeout(resolve, 50))
            if (both.every((document) => document.data()?.['on'])) transaction.update(mine, { on: false })
          })
        await Promise.allSettled([turnOff(a), turnOff(b)])
        const states = (await db.getAll(a, b)).map((document) => document.data()?.['on'])
        expect(states).toContain(true)
      })

      test('do not let two insert what each saw missing', { timeout: CONTENTION_TIMEOUT_MS }, async () => {
        const collection = fresh()
        const insert = (id: string) =>
          db.runTransaction(async (transaction) => {
            const found = await transaction.get(collection.where('kind', '==', 'slot'))
            await new Promise((resolve) => setTimeout(resolve, 50))
            if (found.size < 1) transaction.create(collection.doc(id), { kind: 'slot' })
          })
        await Promise.allSettled([insert('x'), insert('y')])
        expect((await collection.get()).size).toBe(1)
      })

      test('that only read see one moment', async () => {
        const collection = fresh()
        const [a, b] = [collection.doc('a'), collection.doc('b')]
        await Promise.all([a.set({ v: 50 }), b.set({ v: 50 })])
        let moving = true
        const mover = (async () => {
          while (moving) {
            const batch = db.batch()
            batch.update(a, { v: FieldValue.increment(-1) })
            batch.update(b, { v: FieldValue.increment(1) })
            await batch.commit()
          }
        })()
        const totals: number[] = []
        for (let n = 0; n < 20; n++)
          totals.push(
            await db.runTransaction(
              async (transaction) => {
                const both = await transaction.getAll(a, b)
                return both.reduce((sum, document) => sum + (document.data()?.['v'] as number), 0)
              },
              { readOnly: true },
            ),
          )
        moving = false
        await mover
        expect(totals.filter((total) => total !== 100).length).toBeLessThanOrEqual(tornReadsMax)
      })
    })

    describe('writers in several processes', () => {
      test.each(['compareAndSet', 'increment', 'transaction'] as const)(
        'lose no update by %s',
        { timeout: CONTENTION_TIMEOUT_MS },
        async (way) => {
          const path = fresh().doc('counter').path
          await db.doc(path).set({ n: 0 })
          const [processes, concurrency, each] = way === 'transaction' ? [2, 1, 5] : [3, 2, 10]
          const job: CounterJob = { address: server.address, project: PROJECT, path, way, concurrency, each }
          const reports = await Promise.all(Array.from({ length: processes }, () => countInProcess(job)))
          const succeeded = reports.reduce((sum, report) => sum + report.succeeded, 0)
          expect((await db.doc(path).get()).data()).toEqual({ n: succeeded })
          expect(succeeded).toBe(processes * concurrency * each)
        },
      )
    })
  })
}

/** Runs one counting process to its end. */
async function countInProcess(job: CounterJob): Promise<CounterReport> {
  const child = fork(new URL('./firestore-counter.ts', import.meta.url), { execArgv: [] })
  const report = new Promise<CounterReport>((resolve, reject) => {
    child.once('message', (message: CounterReport) => resolve(message))
    child.once('exit', () => reject(new Error('the counting process ended early')))
  })
  child.send(job)
  return report
}
