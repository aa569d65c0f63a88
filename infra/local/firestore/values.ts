/** Firestore values and documents as the protos' JSON has them (google.firestore.v1). */
export type Value = {
  nullValue?: unknown
  booleanValue?: boolean
  integerValue?: string
  doubleValue?: number
  timestampValue?: Timestamp
  stringValue?: string
  bytesValue?: Uint8Array
  referenceValue?: string
  geoPointValue?: { latitude?: number; longitude?: number }
  arrayValue?: { values?: Value[] }
  mapValue?: { fields?: Fields }
}
export type Fields = Record<string, Value>
export type Timestamp = { seconds?: string; nanos?: number }

/** Microseconds since the epoch, the resolution of Firestore's commit times. */
export type Micros = number

export function toTimestamp(micros: Micros): Timestamp {
  return { seconds: String(Math.floor(micros / 1e6)), nanos: (micros % 1e6) * 1000 }
}

export function toMicros({ seconds = '0', nanos = 0 }: Timestamp): Micros {
  return Number(seconds) * 1e6 + Math.floor(nanos / 1000)
}

/** Splits `a.b.\`c d\`` into its segments. */
export function parsePath(path: string): string[] {
  const segments: string[] = []
  for (const match of path.matchAll(/`((?:[^`\\]|\\.)*)`|([^.`]+)/g))
    segments.push(match[1] === undefined ? (match[2] ?? '') : match[1].replace(/\\(.)/g, '$1'))
  return segments
}

export function getField(fields: Fields, path: readonly string[]): Value | undefined {
  let value: Value | undefined = { mapValue: { fields } }
  for (const segment of path) value = value?.mapValue?.fields?.[segment]
  return value
}

/** The fields with one path set, or removed when `value` is undefined; what is shared is not changed. */
export function withField(fields: Fields, [head, ...rest]: readonly string[], value: Value | undefined): Fields {
  if (head === undefined) return fields
  if (rest.length > 0) {
    const inner = fields[head]?.mapValue?.fields
    if (inner === undefined && value === undefined) return fields
    return { ...fields, [head]: { mapValue: { fields: withField(inner ?? {}, rest, value) } } }
  }
  const { [head]: _old, ...others } = fields
  return value === undefined ? others : { ...others, [head]: value }
}

/** Only what the mask names. */
export function maskFields(fields: Fields, mask: readonly string[]): Fields {
  let picked: Fields = {}
  for (const path of mask.map(parsePath)) {
    const value = getField(fields, path)
    if (value !== undefined) picked = withField(picked, path, value)
  }
  return picked
}

/** Order of types among each other (https://firebase.google.com/docs/firestore/manage-data/data-types#value_type_ordering). */
function rank(value: Value): number {
  if (value.booleanValue !== undefined) return 1
  if (isNumber(value)) return 2
  if (value.timestampValue !== undefined) return 3
  if (value.stringValue !== undefined) return 4
  if (value.bytesValue !== undefined) return 5
  if (value.referenceValue !== undefined) return 6
  if (value.geoPointValue !== undefined) return 7
  if (value.arrayValue !== undefined) return 8
  if (value.mapValue !== undefined) return isVector(value) ? 9 : 10
  return 0
}

export function isNumber(value: Value): boolean {
  return value.integerValue !== undefined || value.doubleValue !== undefined
}

export function isNan(value: Value): boolean {
  return value.doubleValue !== undefined && Number.isNaN(value.doubleValue)
}

export function numberOf(value: Value): number {
  return value.doubleValue ?? Number(value.integerValue ?? 0)
}

export function sameType(a: Value, b: Value): boolean {
  return rank(a) === rank(b)
}

/** Total order over all values, as queries sort them. */
export function compareValues(a: Value, b: Value): number {
  const ranks = rank(a) - rank(b)
  if (ranks !== 0) return ranks
  switch (rank(a)) {
    case 1:
      return Number(a.booleanValue) - Number(b.booleanValue)
    case 2:
      return compareNumbers(a, b)
    case 3:
      return compareTimestamps(a.timestampValue ?? {}, b.timestampValue ?? {})
    case 4:
      return Buffer.compare(Buffer.from(a.stringValue ?? ''), Buffer.from(b.stringValue ?? ''))
    case 5:
      return Buffer.compare(a.bytesValue ?? Buffer.alloc(0), b.bytesValue ?? Buffer.alloc(0))
    case 6:
      return compareNames(a.referenceValue ?? '', b.referenceValue ?? '')
    case 7:
      return (
        (a.geoPointValue?.latitude ?? 0) - (b.geoPointValue?.latitude ?? 0) ||
        (a.geoPointValue?.longitude ?? 0) - (b.geoPointValue?.longitude ?? 0)
      )
    case 8:
      return compareLists(a.arrayValue?.values ?? [], b.arrayValue?.values ?? [])
    case 9:
      return compareLists(vectorOf(a), vectorOf(b), true)
    case 10:
      return compareMaps(a.mapValue?.fields ?? {}, b.mapValue?.fields ?? {})
    default:
      return 0
  }
}

/** Document names sort by segment, not as one string: `a/b` comes before `a-/b`. */
export function compareNames(a: string, b: string): number {
  const [left, right] = [a.split('/'), b.split('/')]
  for (let index = 0; index < Math.min(left.length, right.length); index++) {
    const order = Buffer.compare(Buffer.from(left[index] ?? ''), Buffer.from(right[index] ?? ''))
    if (order !== 0) return order
  }
  return left.length - right.length
}

/** Integers are compared exactly; NaN sorts before every number. */
function compareNumbers(a: Value, b: Value): number {
  if (a.integerValue !== undefined && b.integerValue !== undefined) {
    const difference = BigInt(a.integerValue) - BigInt(b.integerValue)
    return difference < 0n ? -1 : difference > 0n ? 1 : 0
  }
  if (isNan(a) || isNan(b)) return Number(isNan(b)) - Number(isNan(a))
  return numberOf(a) - numberOf(b)
}

function compareTimestamps(a: Timestamp, b: Timestamp): number {
  return Number(a.seconds ?? 0) - Number(b.seconds ?? 0) || (a.nanos ?? 0) - (b.nanos ?? 0)
}

function compareLists(a: readonly Value[], b: readonly Value[], lengthFirst = false): number {
  if (lengthFirst && a.length !== b.length) return a.length - b.length
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const order = compareValues(a[index] ?? {}, b[index] ?? {})
    if (order !== 0) return order
  }
  return a.length - b.length
}

function compareMaps(a: Fields, b: Fields): number {
  const entries = (fields: Fields): Value[] =>
    Object.keys(fields)
      .toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y)))
      .flatMap((key) => [{ stringValue: key }, fields[key] ?? {}])
  return compareLists(entries(a), entries(b))
}

/** A vector is a map that says so (`FieldValue.vector`). */
function isVector(value: Value): boolean {
  return value.mapValue?.fields?.['__type__']?.stringValue === '__vector__'
}

function vectorOf(value: Value): Value[] {
  return value.mapValue?.fields?.['value']?.arrayValue?.values ?? []
}
