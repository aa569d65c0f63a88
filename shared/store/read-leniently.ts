import type * as z from 'zod'

/** How a reader meets what it cannot read of a document. */
export type Leniency = {
  /** What stands for a field that must be there, by its dotted path. */
  readonly substitutes?: Readonly<Record<string, unknown>>
  /** Whether the field at a path may be left out at all; every one may when absent. */
  readonly mayGo?: (path: readonly PropertyKey[]) => boolean
}

/** `leftOut`: dotted paths of what was left out, or replaced; empty for a document that is as it should be. */
export type ReadLeniently<T> = { readonly value: T; readonly leftOut: readonly string[] }

/** So many fields of one document are left out; one that is worse cannot be read. */
const LEFT_OUT_MAX = 300

/**
 * Reads a stored document without what cannot be read of it: the smallest part around each bad field, or its
 * substitute. A document that is as it should be is parsed once.
 * @returns undefined when too much of it is bad, or something that it cannot be without
 */
export function readLeniently<Schema extends z.ZodType>(
  schema: Schema,
  stored: unknown,
  { substitutes = {}, mayGo = () => true }: Leniency = {},
): ReadLeniently<z.infer<Schema>> | undefined {
  let current = stored
  const leftOut: string[] = []
  for (;;) {
    const parsed = schema.safeParse(current)
    if (parsed.success) return { value: parsed.data, leftOut }
    const [issue] = parsed.error.issues
    if (issue === undefined || leftOut.length >= LEFT_OUT_MAX) return undefined
    const mended = mend(current, issue, { substitutes, mayGo })
    if (mended === undefined) return undefined
    current = mended.value
    leftOut.push(mended.path.join('.'))
  }
}

type Mended = { readonly value: unknown; readonly path: readonly PropertyKey[] }

function mend(value: unknown, issue: z.core.$ZodIssue, leniency: Required<Leniency>): Mended | undefined {
  const { path } = issue
  if (issue.code === 'unrecognized_keys') {
    const key = [...path, issue.keys[0] ?? '']
    return leniency.mayGo(key) ? { value: changeAt(value, key, GONE), path: key } : undefined
  }
  const found = valueAt(value, path)
  if (issue.code === 'too_big' && Array.isArray(found))
    return { value: changeAt(value, path, found.slice(0, Number(issue.maximum))), path: [...path, 'rest'] }
  const dotted = path.join('.')
  if (Object.hasOwn(leniency.substitutes, dotted) && found !== leniency.substitutes[dotted])
    return { value: changeAt(value, path, leniency.substitutes[dotted]), path }
  // What is not there and must be takes what it belongs to with it.
  const depth = path.findLastIndex((_key, index) => valueAt(value, path.slice(0, index + 1)) !== undefined)
  const bad = path.slice(0, depth + 1)
  if (bad.length === 0 || !leniency.mayGo(bad)) return undefined
  return { value: changeAt(value, bad, GONE), path: bad }
}

const GONE = Symbol('gone')

/** A copy with another value at a path, or without what is there; an array closes up. */
function changeAt(value: unknown, [key, ...rest]: readonly PropertyKey[], changed: unknown): unknown {
  if (key === undefined) return changed
  if (Array.isArray(value)) {
    const at = Number(key)
    if (rest.length === 0 && changed === GONE) return value.toSpliced(at, 1)
    return value.with(at, changeAt(value[at], rest, changed))
  }
  const copy: Record<PropertyKey, unknown> = isMap(value) ? { ...value } : {}
  if (rest.length === 0 && changed === GONE) delete copy[key]
  else copy[key] = changeAt(copy[key], rest, changed)
  return copy
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) => (isMap(at) && Object.hasOwn(at, key) ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    value,
  )
}

function isMap(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
