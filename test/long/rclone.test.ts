import { execFile } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { startStorage } from '../infra/storage-fixture.ts'
import type { TestStorage } from '../infra/storage-fixture.ts'

/** A client that we did not write: Debian's rclone (`apt-get install rclone`), over its Google Cloud Storage backend. */
const run = promisify(execFile)
const OUTPUT_BYTES_MAX = 128 * 1024 * 1024
const missing = await run('rclone', ['version']).then(
  () => undefined,
  (error: NodeJS.ErrnoException) => (error.code === 'ENOENT' ? 'rclone is not installed' : error.message),
)

const FILES = 200
const KIB = 1024
const MIB = 1024 * KIB
/** rclone sends up to 8 MiB at once and more in chunks of 16 MiB; the protocol counts in 256 KiB. */
const BOUNDARIES = [1, 64 * KIB, 256 * KIB, 512 * KIB, 8 * MIB, 16 * MIB]
const SIZES = [0, 0, 2, 4_999, 5_000, ...BOUNDARIES.flatMap((size) => [size - 1, size, size + 1]), 64 * MIB]
const NAMES = [
  'plain.txt',
  'two words',
  ' leading blank',
  'trailing blank ',
  'folder/inner',
  'folder/deeper/.hidden',
  'folder-next to it',
  '...',
  '..two dots',
  'per%cent %2F %252F',
  'query?a=b&c=d',
  'hash#fragment',
  'plus+and=equals',
  `quote'and"double`,
  'back\\slash',
  'semi;colon:colon,comma',
  '<angle>&amp;[square]{curly}|pipe*star',
  '~tilde`tick^caret$dollar!@',
  'ümlaut é (composed)',
  'e\u0301 (decomposed)',
  '日本語の名前',
  'שלום עולם',
  '🎙️ emoji 👩‍👩‍👧',
  'x'.repeat(250),
  'bytes=0-1',
  '--b',
  '-dash',
  '0',
  // rclone finds these among others alone, not one that is asked for by such a name.
  'tab\there',
  'control\u0001byte',
  'line\nbreak',
  'carriage\rreturn',
]

function makeFiles(folder: string): void {
  for (let index = 0; index < FILES; index++) {
    const path = join(folder, NAMES[index] ?? `more/${index % 7}/file ${index}`)
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(path, randomBytes(SIZES[index] ?? (index * 7919) % 20_000))
  }
}

/** Every file below a folder, with a checksum of its bytes. */
function readFiles(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  const paths = files.map(({ parentPath, name }) => join(parentPath, name)).toSorted()
  return new Map(
    paths.map((path) => [path.slice(folder.length + 1), createHash('md5').update(readFileSync(path)).digest('hex')]),
  )
}

if (missing === undefined)
  describe('rclone', () => {
    let storage: TestStorage
    let local = ''
    let scratch = ''
    beforeAll(async () => {
      storage = await startStorage()
      scratch = mkdtempSync(join(tmpdir(), 'rclone-test-'))
      local = join(scratch, 'local')
      makeFiles(local)
    })
    afterAll(async () => {
      await storage.stop()
      rmSync(scratch, { recursive: true })
    })

    /** One try of everything: what a repeat would cure is a difference all the same. */
    const rclone = async (...words: string[]): Promise<Buffer> => {
      const config = ['--config', '/dev/null', '--retries', '1', '--low-level-retries', '1', '--transfers', '8']
      const gcs = ['--gcs-anonymous', '--gcs-endpoint', storage.origin]
      const { stdout } = await run('rclone', [...config, ...gcs, ...words], {
        encoding: 'buffer',
        maxBuffer: OUTPUT_BYTES_MAX,
      })
      return stdout
    }
    const there = (folder: string) => `:gcs:shelf/${folder}`
    const stored = () => storage.buckets.list('shelf', '').map(({ name }) => name)

    test(`copies ${FILES} files of odd names and sizes, and finds them the same, by checksum and by byte`, async () => {
      await rclone('copy', local, there('copied'))
      expect(stored()).toHaveLength(FILES)
      await rclone('check', local, there('copied'))
      await rclone('check', '--download', local, there('copied'))
      expect(storage.fileCount()).toBe(FILES)
    })

    test('has nothing to copy the second time', async () => {
      const generations = () => storage.buckets.list('shelf', '').map(({ generation }) => generation)
      const before = generations()
      await rclone('copy', local, there('copied'))
      expect(generations()).toEqual(before)
    })

    test('reads ranges', async () => {
      const largest = NAMES[SIZES.indexOf(64 * MIB)] ?? ''
      const [five, one] = [NAMES[SIZES.indexOf(5_000)] ?? '', NAMES[SIZES.indexOf(1)] ?? '']
      const ranges = [
        [largest, 32 * MIB - 7, 300_000],
        [largest, 64 * MIB - 3, 10],
        [five, 4_999, 1],
        [one, 0, 10],
      ] as const
      const read = ranges.map(([name, start, count]) =>
        rclone('cat', '--offset', String(start), '--count', String(count), there(`copied/${name}`)),
      )
      const expected = ranges.map(([name, start, count]) =>
        readFileSync(join(local, name)).subarray(start, start + count),
      )
      const differing = (await Promise.all(read)).filter((bytes, index) => !expected[index]?.equals(bytes))
      expect(differing).toEqual([])
    })

    test('moves them within the bucket, out of it, and into it', async () => {
      const files = readFiles(local)
      await rclone('move', there('copied'), there('moved'))
      expect(stored().filter((name) => !name.startsWith('moved/'))).toEqual([])
      await rclone('check', local, there('moved'))
      const [down, again] = [join(scratch, 'down'), there('again')]
      await rclone('move', there('moved'), down)
      expect(stored()).toEqual([])
      expect(readFiles(down)).toEqual(files)
      await rclone('move', down, again)
      expect(readFiles(down)).toEqual(new Map())
      await rclone('check', local, again)
    })

    test('deletes them', async () => {
      await rclone('delete', there('again'))
      expect((await rclone('lsf', '-R', there('again'))).toString()).toBe('')
      expect([stored(), storage.fileCount()]).toEqual([[], 0])
    })
  })
else
  describe('rclone', () => {
    // oxlint-disable-next-line vitest/no-disabled-tests -- the name says why it is not run
    test.skip(`not run: ${missing}`, () => {
      expect(missing).toBeUndefined()
    })
  })
