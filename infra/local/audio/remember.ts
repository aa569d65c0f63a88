import { createHash, randomUUID } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'

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
  const result = (results.get(key) as Promise<T> | undefined) ?? doOnceForAll(key, work)
  results.delete(key)
  results.set(key, result)
  result.catch(() => results.delete(key))
  const [oldest] = results.keys()
  if (results.size > RESULTS_KEPT && oldest !== undefined) results.delete(oldest)
  return result
}

/**
 * Work that another process may have done: the tests of one run, each file in a process of its own, share a folder. Not
 * kept for longer, because a result is as good as the code that made it.
 */
async function doOnceForAll<T>(key: string, work: () => Promise<T>): Promise<T> {
  const folder = process.env['SHARED_AUDIO_FOLDER']
  if (folder === undefined) return work()
  const file = join(folder, key)
  const known = await readFile(file).catch(() => undefined)
  if (known !== undefined) return deserialize(known) as T
  const result = await work()
  const written = `${file}.${randomUUID()}`
  await writeFile(written, serialize(result))
  await rename(written, file)
  return result
}
