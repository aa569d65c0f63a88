import { GrpcError, STATUS } from '../grpc-service.ts'
import { asDocument, parentOf } from './database.ts'
import type { Database, Document } from './database.ts'
import {
  compareNames,
  compareValues,
  getField,
  isNan,
  isNumber,
  maskFields,
  numberOf,
  parsePath,
  sameType,
} from './values.ts'
import type { Fields, Micros, Value } from './values.ts'

type FieldReference = { fieldPath: string }
type Direction = 'ASCENDING' | 'DESCENDING'
type Filter = {
  compositeFilter?: { op: 'AND' | 'OR'; filters?: Filter[] }
  fieldFilter?: { field: FieldReference; op: string; value: Value }
  unaryFilter?: { field: FieldReference; op: string }
}
type Cursor = { values?: Value[]; before?: boolean }
type Order = { field: FieldReference; direction?: Direction }
export type StructuredQuery = {
  from?: { collectionId?: string; allDescendants?: boolean }[]
  where?: Filter | null
  orderBy?: Order[]
  startAt?: Cursor | null
  endAt?: Cursor | null
  offset?: number
  limit?: { value?: number } | null
  select?: { fields?: FieldReference[] } | null
  findNearest?: unknown
}
type Aggregation = {
  alias?: string
  count?: { upTo?: { value?: string } | null }
  sum?: { field: FieldReference }
  avg?: { field: FieldReference }
}

const NAME = '__name__'
const INEQUALITIES = new Set([
  'LESS_THAN',
  'LESS_THAN_OR_EQUAL',
  'GREATER_THAN',
  'GREATER_THAN_OR_EQUAL',
  'NOT_EQUAL',
  'NOT_IN',
])

/** The documents a query finds at a time, in order. */
export function runQuery(database: Database, parent: string, query: StructuredQuery, at: Micros): Document[] {
  if (query.findNearest != null) throw new GrpcError(STATUS.unimplemented, 'findNearest is not part of the local cloud')
  const orders = fullOrder(query)
  const found: Document[] = []
  for (const path of collectionsOf(database, parent, query))
    for (const [name, version] of database.collection(path, at)) {
      const document = asDocument(name, version)
      const complete = orders.every(({ path: field }) => valueAt(document, field) !== undefined)
      if (complete && matches(document, query.where)) found.push(document)
    }
  found.sort((a, b) =>
    compareBy(
      orders,
      (order) => valueAt(a, order.path),
      (order) => valueAt(b, order.path),
    ),
  )
  const inside = found.filter((document) => {
    const against = (cursor: Cursor) =>
      compareBy(
        orders.slice(0, cursor.values?.length ?? 0),
        (order) => valueAt(document, order.path),
        (_order, index) => cursor.values?.[index],
      )
    const { startAt, endAt } = query
    if (startAt && (startAt.before ? against(startAt) < 0 : against(startAt) <= 0)) return false
    return !(endAt && (endAt.before ? against(endAt) >= 0 : against(endAt) > 0))
  })
  const from = query.offset ?? 0
  const page = inside.slice(from, query.limit == null ? undefined : from + (query.limit.value ?? 0))
  const fields = query.select?.fields?.map(({ fieldPath }) => fieldPath).filter((path) => path !== NAME)
  return query.select == null
    ? page
    : page.map((document) => ({ ...document, fields: maskFields(document.fields, fields ?? []) }))
}

/** count, sum and average over what a query finds. */
export function aggregate(documents: readonly Document[], aggregations: readonly Aggregation[]): Fields {
  return Object.fromEntries(
    aggregations.map((aggregation, index) => [
      aggregation.alias || `field_${index + 1}`,
      aggregateOne(documents, aggregation),
    ]),
  )
}

function aggregateOne(documents: readonly Document[], { count, sum, avg }: Aggregation): Value {
  if (count) {
    const upTo = Number(count.upTo?.value ?? Infinity)
    return { integerValue: String(Math.min(documents.length, upTo)) }
  }
  const field = parsePath((sum ?? avg)?.field.fieldPath ?? '')
  const values = documents
    .map(({ fields }) => getField(fields, field))
    .filter((value) => value !== undefined && isNumber(value)) as Value[]
  const total = values.reduce((running, value) => running + numberOf(value), 0)
  if (avg) return values.length === 0 ? { nullValue: 'NULL_VALUE' } : { doubleValue: total / values.length }
  const whole = values.every(({ integerValue }) => integerValue !== undefined) && Number.isSafeInteger(total)
  return whole ? { integerValue: String(total) } : { doubleValue: total }
}

function collectionsOf(database: Database, parent: string, { from }: StructuredQuery): string[] {
  const { collectionId, allDescendants } = from?.[0] ?? {}
  if (!allDescendants) return [`${parent}/${collectionId ?? ''}`]
  return database
    .collectionsBelow(parent)
    .filter((path) => collectionId === undefined || path.endsWith(`/${collectionId}`))
    .filter((path) => parentOf(path).startsWith(parent))
}

type FullOrder = { path: string[]; direction: Direction }

/** What was asked for, then the fields compared by inequality, then the name: a total order, as in the cloud. */
function fullOrder({ orderBy = [], where }: StructuredQuery): FullOrder[] {
  const orders = orderBy.map(({ field, direction }) => ({
    field: field.fieldPath,
    direction: direction === 'DESCENDING' ? direction : ('ASCENDING' as const),
  }))
  const direction: Direction = orders.at(-1)?.direction ?? 'ASCENDING'
  for (const field of [...inequalityFields(where)].toSorted())
    if (!orders.some((order) => order.field === field)) orders.push({ field, direction })
  if (!orders.some(({ field }) => field === NAME)) orders.push({ field: NAME, direction })
  return orders.map((order) => ({ path: parsePath(order.field), direction: order.direction }))
}

function inequalityFields(filter: Filter | null | undefined): Set<string> {
  if (filter?.compositeFilter)
    return new Set((filter.compositeFilter.filters ?? []).flatMap((inner) => [...inequalityFields(inner)]))
  const { field, op } = filter?.fieldFilter ?? filter?.unaryFilter ?? {}
  const unequal = op !== undefined && (INEQUALITIES.has(op) || op === 'IS_NOT_NULL' || op === 'IS_NOT_NAN')
  return new Set(unequal && field ? [field.fieldPath] : [])
}

function valueAt(document: Document, path: readonly string[]): Value | undefined {
  return path[0] === NAME ? { referenceValue: document.name } : getField(document.fields, path)
}

function compareBy(
  orders: readonly FullOrder[],
  left: (order: FullOrder, index: number) => Value | undefined,
  right: (order: FullOrder, index: number) => Value | undefined,
): number {
  for (const [index, order] of orders.entries()) {
    const result = compareValues(left(order, index) ?? {}, right(order, index) ?? {})
    if (result !== 0) return order.direction === 'DESCENDING' ? -result : result
  }
  return 0
}

function matches(document: Document, filter: Filter | null | undefined): boolean {
  if (filter == null) return true
  if (filter.compositeFilter) {
    const inner = filter.compositeFilter.filters ?? []
    return filter.compositeFilter.op === 'OR'
      ? inner.some((one) => matches(document, one))
      : inner.every((one) => matches(document, one))
  }
  if (filter.unaryFilter) {
    const value = valueAt(document, parsePath(filter.unaryFilter.field.fieldPath))
    return value !== undefined && unary(filter.unaryFilter.op, value)
  }
  if (filter.fieldFilter) {
    const value = valueAt(document, parsePath(filter.fieldFilter.field.fieldPath))
    return value !== undefined && compares(filter.fieldFilter.op, value, filter.fieldFilter.value)
  }
  return true
}

function unary(op: string, value: Value): boolean {
  const isNull = compareValues(value, {}) === 0
  switch (op) {
    case 'IS_NULL':
      return isNull
    case 'IS_NOT_NULL':
      return !isNull
    case 'IS_NAN':
      return isNan(value)
    case 'IS_NOT_NAN':
      return !isNan(value) && !isNull
    default:
      throw new GrpcError(STATUS.invalidArgument, `Unknown filter ${op}`)
  }
}

function compares(op: string, value: Value, operand: Value): boolean {
  const list = operand.arrayValue?.values ?? []
  const within = (values: readonly Value[], one: Value) => values.some((item) => equals(item, one))
  const order = () => (sameType(value, operand) ? compareValues(value, operand) : NaN)
  switch (op) {
    case 'EQUAL':
      return equals(value, operand)
    case 'NOT_EQUAL':
      return compareValues(value, {}) !== 0 && !equals(value, operand)
    case 'LESS_THAN':
      return order() < 0
    case 'LESS_THAN_OR_EQUAL':
      return order() <= 0
    case 'GREATER_THAN':
      return order() > 0
    case 'GREATER_THAN_OR_EQUAL':
      return order() >= 0
    case 'IN':
      return within(list, value)
    case 'NOT_IN':
      return compareValues(value, {}) !== 0 && !within(list, value)
    case 'ARRAY_CONTAINS':
      return within(value.arrayValue?.values ?? [], operand)
    case 'ARRAY_CONTAINS_ANY':
      return (value.arrayValue?.values ?? []).some((item) => within(list, item))
    default:
      throw new GrpcError(STATUS.invalidArgument, `Unknown filter ${op}`)
  }
}

function equals(a: Value, b: Value): boolean {
  if (a.referenceValue !== undefined && b.referenceValue !== undefined)
    return compareNames(a.referenceValue, b.referenceValue) === 0
  return !isNan(a) && !isNan(b) && compareValues(a, b) === 0
}
