import { STATUS } from '../grpc-service.ts'
import type { Call } from '../grpc-service.ts'
import { parentOf } from './database.ts'
import type { Write } from './database.ts'
import type { StructuredQuery } from './query.ts'

/** Documents that one call is billed for. */
type Amounts = { reads: number; writes: number; deletes: number }
/** The same, and of which collections. */
export type Bill = Amounts & { collections: Record<string, Amounts> }

/** An aggregation is billed one read for so many index entries. */
const ENTRIES_PER_READ = 1000

/**
 * What Google bills for a call (https://firebase.google.com/docs/firestore/pricing, read 2026-11-28): one read for each
 * document that is looked up, whether it is there or not, that a query returns or that its offset skips, and for a
 * thousand index entries of an aggregation; at least one for each query; one write or delete for each document of a
 * commit, whether it changes anything or not. A list of collections is billed one read. Google says nothing of calls
 * that fail; here they are billed nothing. Listeners, billed a read for each document that changes, are not part of the
 * local cloud.
 */
export function billOf({ method, request, answers, status }: Call): Bill {
  if (status !== STATUS.ok) return sum([])
  switch (method) {
    case 'BatchGetDocuments':
      return sum((answers as Looked[]).flatMap(({ found, missing }) => lookUpOf(found?.name ?? missing)))
    case 'RunQuery': {
      const { structuredQuery = {} } = request as { structuredQuery?: StructuredQuery }
      const found = (answers as Looked[]).filter(({ document }) => document != null).length
      return sum([readsOf(collectionOf(structuredQuery), Math.max(1, found + (structuredQuery.offset ?? 0)))])
    }
    case 'RunAggregationQuery': {
      const { structuredAggregationQuery: query } = request as Aggregated
      const entries = (answers as Looked[]).reduce((most, { matched = 0 }) => Math.max(most, matched), 0)
      const count = Math.max(1, Math.ceil(entries / ENTRIES_PER_READ))
      return sum([readsOf(collectionOf(query?.structuredQuery ?? {}), count)])
    }
    case 'ListDocuments': {
      const { collectionId = '' } = request as { collectionId?: string }
      const found = (answers as { documents?: unknown[] }[]).flatMap(({ documents = [] }) => documents).length
      return sum([readsOf(collectionId, Math.max(1, found))])
    }
    case 'ListCollectionIds':
      return sum([readsOf('', 1)])
    case 'Commit':
      return sum(writesOf((request as { writes?: Write[] }).writes ?? []))
    case 'BatchWrite': {
      const outcomes = (answers as { status?: { code: number }[] }[]).flatMap((answer) => answer.status ?? [])
      const { writes = [] } = request as { writes?: Write[] }
      return sum(writesOf(writes.filter((_write, index) => outcomes[index]?.code === 0)))
    }
    default:
      return sum([])
  }
}

/** Parts of answers, as the embedded service gives them. */
type Looked = {
  readonly found?: { readonly name: string }
  readonly missing?: string
  readonly document?: unknown
  readonly matched?: number
}
type Aggregated = { readonly structuredAggregationQuery?: { readonly structuredQuery?: StructuredQuery } }
type Part = Amounts & { readonly collection: string }

function sum(parts: readonly Part[]): Bill {
  const bill: Bill = { reads: 0, writes: 0, deletes: 0, collections: {} }
  for (const { collection, reads, writes, deletes } of parts)
    for (const amounts of [bill, (bill.collections[collection] ??= { reads: 0, writes: 0, deletes: 0 })]) {
      amounts.reads += reads
      amounts.writes += writes
      amounts.deletes += deletes
    }
  return bill
}

function readsOf(collection: string, count: number): Part {
  return { collection, reads: count, writes: 0, deletes: 0 }
}

/** The announcement of a transaction is no document. */
function lookUpOf(name: string | undefined): Part[] {
  return name === undefined ? [] : [readsOf(lastPart(parentOf(name)), 1)]
}

/** Several writes of one document in one commit are one; the last of them says which kind. */
function writesOf(writes: readonly Write[]): Part[] {
  const kinds = new Map<string, 'reads' | 'writes' | 'deletes'>()
  for (const write of writes) {
    const name = write.update?.name ?? write.delete ?? write.transform?.document ?? write.verify ?? ''
    if (write.verify !== undefined && kinds.has(name)) continue
    kinds.set(name, write.delete !== undefined ? 'deletes' : write.verify !== undefined ? 'reads' : 'writes')
  }
  return [...kinds].map(([name, kind]) => ({
    collection: lastPart(parentOf(name)),
    reads: 0,
    writes: 0,
    deletes: 0,
    [kind]: 1,
  }))
}

function collectionOf({ from }: StructuredQuery): string {
  return from?.[0]?.collectionId ?? ''
}

function lastPart(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
