import { createHash } from 'node:crypto'

const RESULTS_KEPT = 24
const results = new Map<string, Promise<unknown>>()

/** Work whose whole input is the same has the same result: the latest are kept, because each costs seconds. */
export function remember<T>(input: readonly (Uint8Array | string | number)[], work: () => Promise<T>): Promise<T> {
  const hash = createHash('sha256')
  for (const part of input)
    hash.update(
      createHash('sha256')
        .update(typeof part === 'number' ? String(part) : part)
        .digest(),
    )
  const key = hash.digest('hex')
  const result = (results.get(key) as Promise<T> | undefined) ?? work()
  results.delete(key)
  results.set(key, result)
  result.catch(() => results.delete(key))
  const [oldest] = results.keys()
  if (results.size > RESULTS_KEPT && oldest !== undefined) results.delete(oldest)
  return result
}
