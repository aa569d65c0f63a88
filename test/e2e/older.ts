/** A document as if all of it had happened earlier by `byMs`: every number whose field ends in `Ms` is a time. */
export function older(document: Record<string, unknown>, byMs: number): Record<string, unknown> {
  const aged = (value: unknown, key = ''): unknown => {
    if (typeof value === 'number') return key.endsWith('Ms') ? value - byMs : value
    if (Array.isArray(value)) return value.map((one) => aged(one))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, aged(inner, name)]))
  }
  return aged(document) as Record<string, unknown>
}
