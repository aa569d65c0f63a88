import { GrpcError, STATUS } from '../grpc-service.ts'
import { compareValues, getField, isNumber, numberOf, parsePath, toTimestamp, withField } from './values.ts'
import type { Fields, Micros, Value } from './values.ts'

export type Transform = {
  fieldPath: string
  setToServerValue?: string
  increment?: Value
  maximum?: Value
  minimum?: Value
  appendMissingElements?: { values?: Value[] }
  removeAllFromArray?: { values?: Value[] }
}

/** Server-side changes of single fields, in order, each seeing the ones before. */
export function applyTransforms(
  fields: Fields,
  transforms: readonly Transform[],
  commitTime: Micros,
): { fields: Fields; results: Value[] } {
  const results: Value[] = []
  let changed = fields
  for (const transform of transforms) {
    const path = parsePath(transform.fieldPath)
    const value = transformValue(transform, getField(changed, path), commitTime)
    changed = withField(changed, path, value)
    const isArray = transform.appendMissingElements ?? transform.removeAllFromArray
    results.push(isArray ? { nullValue: 'NULL_VALUE' } : value)
  }
  return { fields: changed, results }
}

function transformValue(transform: Transform, current: Value | undefined, commitTime: Micros): Value {
  if (transform.setToServerValue !== undefined) return { timestampValue: toTimestamp(commitTime) }
  if (transform.increment) return sum(current, transform.increment)
  if (transform.maximum) return extreme(current, transform.maximum, 1)
  if (transform.minimum) return extreme(current, transform.minimum, -1)
  const elements = current?.arrayValue?.values ?? []
  const has = (list: readonly Value[], value: Value) => list.some((item) => compareValues(item, value) === 0)
  if (transform.appendMissingElements) {
    const values = [...elements]
    for (const value of transform.appendMissingElements.values ?? []) if (!has(values, value)) values.push(value)
    return { arrayValue: { values } }
  }
  if (transform.removeAllFromArray) {
    const removed = transform.removeAllFromArray.values ?? []
    return { arrayValue: { values: elements.filter((item) => !has(removed, item)) } }
  }
  throw new GrpcError(STATUS.invalidArgument, `Unknown transform of ${transform.fieldPath}`)
}

function sum(current: Value | undefined, operand: Value): Value {
  if (current === undefined || !isNumber(current)) return operand
  if (current.integerValue !== undefined && operand.integerValue !== undefined)
    return { integerValue: String(BigInt.asIntN(64, BigInt(current.integerValue) + BigInt(operand.integerValue))) }
  return { doubleValue: numberOf(current) + numberOf(operand) }
}

function extreme(current: Value | undefined, operand: Value, sign: 1 | -1): Value {
  if (current === undefined || !isNumber(current)) return operand
  return compareValues(current, operand) * sign >= 0 ? current : operand
}
