import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'

import { zip } from 'fflate'

import { buildDist, DIST } from '../build/build.ts'
import { once } from '../../shared/resilience/once.ts'
import type { Source } from './kinds/functions.ts'

const HASH_CHARS = 32
/** Zip has no time zone and begins in 1980; files of one content must make one archive. */
const TIME = new Date(1980, 0, 2)

/** Builds what is deployed. The hash is of every file's name and content. */
export async function packSource(region: string): Promise<Source> {
  await buildDist(region)
  const names = (await readdir(DIST, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => relative(DIST, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .toSorted()
  const files = await Promise.all(
    names.map(async (name) => [name, new Uint8Array(await readFile(DIST + name))] as const),
  )
  const hash = createHash('sha256')
  for (const [name, content] of files) hash.update(`${name}\0${content.length}\0`).update(content)
  const pack = () =>
    new Promise<Uint8Array>((resolve, reject) => {
      zip(Object.fromEntries(files), { mtime: TIME }, (error, bytes) => (error ? reject(error) : resolve(bytes)))
    })
  return { hash: hash.digest('hex').slice(0, HASH_CHARS), zip: once(pack) }
}
