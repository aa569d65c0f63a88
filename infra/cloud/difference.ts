import type { Fields } from './resource.ts'

/** Maps in which what nobody asked for is a difference: elsewhere the API fills in defaults of its own. */
const EXACT = /(^|\.)(environmentVariables|labelExtractors)$/
/** Lists whose order means nothing. */
const UNORDERED = /(^|\.)(includedPermissions|secretEnvironmentVariables|notificationChannels)$/

/**
 * Where what is there is not as it must be, as paths. Numbers and their decimal strings are the same, as 64-bit numbers
 * come as strings; fields that are not asked for are left alone.
 */
export function differences(desired: unknown, found: unknown, path = ''): string[] {
  if (desired instanceof Uint8Array) return sameBytes(desired, found) ? [] : [path]
  if (Array.isArray(desired)) return listDifferences(desired, found, path)
  if (typeof desired === 'object' && desired !== null) return mapDifferences(desired as Fields, found, path)
  return leaf(desired) === leaf(found) ? [] : [path]
}

function mapDifferences(desired: Fields, found: unknown, path: string): string[] {
  if (typeof found !== 'object' || found === null) return [path]
  const have = found as Fields
  const extra = EXACT.test(path) ? Object.keys(have).filter((key) => !Object.hasOwn(desired, key)) : []
  return [
    ...Object.entries(desired).flatMap(([key, value]) =>
      differences(value, have[key], path === '' ? key : `${path}.${key}`),
    ),
    ...extra.map((key) => `${path}.${key}`),
  ]
}

function listDifferences(desired: readonly unknown[], found: unknown, path: string): string[] {
  const have: readonly unknown[] = Array.isArray(found) ? found : []
  if (have.length !== desired.length) return [path]
  if (!UNORDERED.test(path)) return desired.flatMap((value, i) => differences(value, have[i], `${path}[${i}]`))
  const unmatched = [...have]
  for (const value of desired) {
    const at = unmatched.findIndex((one) => differences(value, one).length === 0)
    if (at < 0) return [path]
    unmatched.splice(at, 1)
  }
  return []
}

/** Zero, false and the empty string are what the wire leaves out. */
function leaf(value: unknown): string {
  if (value === undefined || value === null || value === 0 || value === false) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === '0' ? '' : text
}

function sameBytes(desired: Uint8Array, found: unknown): boolean {
  return found instanceof Uint8Array && Buffer.from(desired).equals(found)
}
