/** Where in a JSON value what kinds of values stand: `words[].start` to `number`. */
export type Shape = ReadonlyMap<string, ReadonlySet<string>>

const DEPTH_MAX = 12

/** The shape of some answers to the same question, taken together. */
export function shapeOf(values: readonly unknown[]): Shape {
  const shape = new Map<string, Set<string>>()
  for (const value of values) note(shape, '', value, 0)
  return shape
}

function note(shape: Map<string, Set<string>>, path: string, value: unknown, depth: number): void {
  const kinds = shape.get(path) ?? new Set()
  shape.set(path, kinds.add(kindOf(value)))
  if (typeof value !== 'object' || value === null || depth === DEPTH_MAX) return
  if (Array.isArray(value)) for (const item of value) note(shape, `${path}[]`, item, depth + 1)
  else
    for (const [name, item] of Object.entries(value))
      note(shape, path === '' ? name : `${path}.${name}`, item, depth + 1)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'array'
  if (typeof value === 'number') return Number.isInteger(value) ? 'whole number' : 'fraction'
  return typeof value
}

/** What one shape has that the other has not, as sentences. */
export function compareShapes(real: Shape, standIn: Shape): string[] {
  const differences: string[] = []
  for (const [path, kinds] of real) {
    const known = standIn.get(path)
    if (known === undefined) {
      if (!isBelowAnother(path, standIn, real))
        differences.push(`${placeOf(path)} (${list(kinds)}): only the real one has it`)
    } else {
      const unknown = [...kinds].filter(
        (kind) => !known.has(kind) && !(kind === 'whole number' && known.has('fraction')),
      )
      if (unknown.length > 0) differences.push(`${placeOf(path)}: really ${list(kinds)}, here ${list(known)}`)
    }
  }
  for (const [path, kinds] of standIn)
    if (!real.has(path) && !isBelowAnother(path, real, standIn))
      differences.push(`${placeOf(path)} (${list(kinds)}): only the stand-in has it`)
  return differences
}

/** What lies below something that is missing as a whole is told with that. */
function isBelowAnother(path: string, missingIn: Shape, presentIn: Shape): boolean {
  const parent = path.endsWith('[]') ? path.slice(0, -2) : path.slice(0, Math.max(0, path.lastIndexOf('.')))
  if (parent === path || parent === '') return false
  return !missingIn.has(parent) && presentIn.has(parent)
}

function placeOf(path: string): string {
  return path === '' ? 'the answer itself' : `\`${path}\``
}

function list(kinds: ReadonlySet<string>): string {
  return [...kinds].toSorted().join(' or ')
}
