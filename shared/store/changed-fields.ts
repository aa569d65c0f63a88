/** A path of field names and its new value; `undefined` means that the field is gone. */
export type FieldChange = { path: string[]; value: unknown }

/**
 * What differs between two versions of a document, as deep field paths, so that an update leaves alone whatever a
 * newer version of the program has written beside it. Arrays are values: they change as a whole.
 */
export function changedFields(before: unknown, after: unknown, path: string[] = []): FieldChange[] {
  if (!isMap(before) || !isMap(after)) return same(before, after) ? [] : [{ path, value: after }]
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].flatMap((key) =>
    changedFields(before[key], after[key], [...path, key]),
  )
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function same(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))
}
