import type { Faults } from '../faults.ts'
import { GrpcError, GrpcService, serviceOf, STATUS } from '../grpc-service.ts'
import type { Call, Gate, Served } from '../grpc-service.ts'
import type { Journal } from '../journal.ts'
import type { KeptTable } from '../kept/table.ts'
import { billOf } from './billing.ts'
import { asDocument, Database } from './database.ts'
import type { Version, Write } from './database.ts'
import { aggregate, runQuery } from './query.ts'
import type { StructuredQuery } from './query.ts'
import { Transactions } from './transactions.ts'
import type { TransactionOptions } from './transactions.ts'
import { compareNames, maskFields, toMicros, toTimestamp } from './values.ts'
import type { Micros, Timestamp } from './values.ts'

type Consistency = { transaction?: Uint8Array; newTransaction?: TransactionOptions | null; readTime?: Timestamp | null }
type Mask = { mask?: { fieldPaths?: string[] } | null }
type Reader = { at: Micros; opened: Uint8Array | undefined; transaction: Uint8Array | undefined }

/** What one database is made of. */
type Store = { database: Database; transactions: Transactions }

/**
 * Firestore's gRPC service over documents in memory, for the unmodified client. Listening is not part of it.
 * @param parts given to several services, they have one memory
 * @param around who may do what, and where every call is written down with what it is billed
 */
export function firestoreService(
  faults: Faults,
  parts: Served[] = firestoreParts(),
  { gate, journal }: { readonly gate?: Gate | undefined; readonly journal?: Journal | undefined } = {},
): GrpcService {
  const hear = (call: Call) =>
    journal?.record('firestore', { method: call.method, status: call.status, ...billOf(call) })
  return new GrpcService('firestore', faults, parts, { gate, hear })
}

/**
 * What serves it, with its memory.
 * @param kept documents of an earlier process, and where those of this one go
 * @param nowMs its clock
 */
export function firestoreParts(kept?: KeptTable<Version>, nowMs?: () => number): Served[] {
  const stores = new Map<string, Store>()
  const storeOf = (name: string): Store => {
    const key = /^projects\/[^/]+\/databases\/[^/]+/.exec(name)?.[0]
    if (key === undefined) throw new GrpcError(STATUS.invalidArgument, `Not a database: ${name}`)
    const known = stores.get(key)
    if (known) return known
    const database = new Database(kept, nowMs)
    const store = { database, transactions: new Transactions(database) }
    stores.set(key, store)
    return store
  }
  for (const [name, version] of kept?.entries() ?? []) storeOf(name).database.restore(name, version)

  const definition = serviceOf('@google-cloud/firestore', 'google.firestore.v1.Firestore', 'v1.json')
  return [
    {
      definition,
      methods: {
        unary: {
          BeginTransaction: (request: { database: string; options?: TransactionOptions }) => ({
            transaction: storeOf(request.database).transactions.begin(request.options),
          }),
          Rollback: (request: { database: string; transaction: Uint8Array }) => {
            storeOf(request.database).transactions.rollback(request.transaction)
            return {}
          },
          Commit: (request: { database: string; writes?: Write[]; transaction?: Uint8Array }) => {
            const { database, transactions } = storeOf(request.database)
            if (request.transaction?.length) transactions.end(request.transaction)
            const { results, commitTime } = database.commit(request.writes ?? [])
            return { writeResults: results, commitTime }
          },
          BatchWrite: (request: { database: string; writes?: Write[] }) =>
            batchWrite(storeOf(request.database), request.writes ?? []),
          ListCollectionIds: (request: { parent: string }) => ({
            collectionIds: collectionIds(storeOf(request.parent), request.parent),
          }),
          ListDocuments: (request: { parent: string; collectionId: string; showMissing?: boolean }) => {
            const { database } = storeOf(request.parent)
            const found = runQuery(
              database,
              request.parent,
              { from: [{ collectionId: request.collectionId }] },
              database.now(),
            )
            const missing = request.showMissing
              ? missingDocuments(database, `${request.parent}/${request.collectionId}`)
              : []
            const known = new Set(found.map(({ name }) => name))
            const rest = missing.filter((name) => !known.has(name)).map((name) => ({ name }))
            return { documents: [...found, ...rest].toSorted((a, b) => compareNames(a.name, b.name)) }
          },
        },
        streaming: {
          BatchGetDocuments: (request: { database: string; documents?: string[] } & Consistency & Mask) => {
            const store = storeOf(request.database)
            const reader = readerOf(store, request)
            return [
              ...opening(reader),
              ...(request.documents ?? []).map((name) => lookUp(store, reader, name, request)),
            ]
          },
          RunQuery: (request: { parent: string; structuredQuery?: StructuredQuery } & Consistency) => {
            const store = storeOf(request.parent)
            const reader = readerOf(store, request)
            const found = query(store, reader, request.parent, request.structuredQuery ?? {})
            const readTime = toTimestamp(reader.at)
            return [
              ...opening(reader),
              ...found.map((document) => ({ document, readTime })),
              ...(found.length === 0 ? [{ readTime }] : []),
            ]
          },
          RunAggregationQuery: (
            request: {
              parent: string
              structuredAggregationQuery?: {
                structuredQuery?: StructuredQuery
                aggregations?: Parameters<typeof aggregate>[1]
              }
            } & Consistency,
          ) => {
            const store = storeOf(request.parent)
            const reader = readerOf(store, request)
            const { structuredQuery = {}, aggregations = [] } = request.structuredAggregationQuery ?? {}
            const found = query(store, reader, request.parent, structuredQuery)
            const result = { aggregateFields: aggregate(found, aggregations) }
            // `matched` is for the bill alone: it is no field of the message.
            return [...opening(reader), { result, readTime: toTimestamp(reader.at), matched: found.length }]
          },
        },
      },
    },
  ]
}

function readerOf({ database, transactions }: Store, { transaction, newTransaction, readTime }: Consistency): Reader {
  if (transaction?.length) return { at: transactions.snapshot(transaction), transaction, opened: undefined }
  if (newTransaction != null) {
    const opened = transactions.begin(newTransaction)
    return { at: transactions.snapshot(opened), transaction: opened, opened }
  }
  return { at: readTime == null ? database.now() : toMicros(readTime), transaction: undefined, opened: undefined }
}

/** A transaction that was begun by a read is announced before what was read. */
function opening({ opened, at }: Reader): unknown[] {
  return opened === undefined ? [] : [{ transaction: opened, readTime: toTimestamp(at) }]
}

function lookUp({ database, transactions }: Store, reader: Reader, name: string, { mask }: Mask): unknown {
  if (reader.transaction)
    transactions.noteReading(reader.transaction, (at) => String(database.read(name, at)?.updateTime))
  const version = database.read(name, reader.at)
  const readTime = toTimestamp(reader.at)
  if (version === undefined) return { missing: name, readTime }
  const found = asDocument(name, version)
  return {
    found: mask?.fieldPaths?.length ? { ...found, fields: maskFields(found.fields, mask.fieldPaths) } : found,
    readTime,
  }
}

function query({ database, transactions }: Store, reader: Reader, parent: string, structured: StructuredQuery) {
  const run = (at: Micros) => runQuery(database, parent, structured, at)
  if (reader.transaction)
    transactions.noteReading(reader.transaction, (at) =>
      JSON.stringify(run(at).map(({ name, updateTime }) => [name, updateTime])),
    )
  return run(reader.at)
}

/** Each write on its own: one that fails stops no other. */
function batchWrite({ database }: Store, writes: readonly Write[]): unknown {
  const outcomes = writes.map((write) => {
    try {
      return { result: database.commit([write]).results[0], status: { code: 0 } }
    } catch (error) {
      if (!(error instanceof GrpcError)) throw error
      return { result: {}, status: { code: error.code, message: error.message } }
    }
  })
  return { writeResults: outcomes.map(({ result }) => result), status: outcomes.map(({ status }) => status) }
}

function collectionIds({ database }: Store, parent: string): string[] {
  const ids = database.collectionsBelow(parent).flatMap((path) => {
    const live = !database.collection(path, database.now()).next().done
    return live ? [path.slice(parent.length + 1).split('/')[0] ?? ''] : []
  })
  return [...new Set(ids)].toSorted()
}

/** Documents that are not there but have documents below them. */
function missingDocuments(database: Database, collection: string): string[] {
  const below = database
    .collectionsBelow(collection)
    .filter((path) => !database.collection(path, database.now()).next().done)
  return [...new Set(below.map((path) => `${collection}/${path.slice(collection.length + 1).split('/')[0] ?? ''}`))]
}
