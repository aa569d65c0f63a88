import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { afterAll, describe, expect, test } from 'vitest'

import { ChildEnded, ChildNotStarted, inChild } from '../../../shared/resilience/in-child.ts'

const folder = mkdtempSync(join(tmpdir(), 'steadycast-in-child-'))
afterAll(() => rmSync(folder, { recursive: true }))

function moduleOf(name: string, onMessage: string): URL {
  const path = join(folder, `${name}.mjs`)
  writeFileSync(path, `process.once('message', (input) => { ${onMessage} })\n`)
  return pathToFileURL(path)
}

const { signal } = new AbortController()

describe('work in a process of its own', () => {
  test('reads what is written to it, to its end', async () => {
    const module = moduleOf(
      'counts',
      'let bytes = 0; process.stdin.on("data", (chunk) => (bytes += chunk.length)).on("end", () => process.send(bytes))',
    )
    async function* megabytes() {
      for (let times = 0; times < 5; times++) yield Buffer.alloc(1_000_000)
    }
    expect(await inChild<number>(module, {}, { signal }, megabytes())).toBe(5_000_000)
  })

  test('that has answered is written to no more', async () => {
    const module = moduleOf('answers', 'process.stdin.once("data", () => process.send("enough"))')
    let isLeft = false
    async function* endless() {
      try {
        for (;;) {
          yield Buffer.alloc(1_000_000)
          await new Promise(setImmediate)
        }
      } finally {
        isLeft = true
      }
    }
    expect(await inChild<string>(module, {}, { signal }, endless())).toBe('enough')
    while (!isLeft) await new Promise(setImmediate)
    expect(isLeft).toBe(true)
  })

  test('is ended when all its memory is more than it may be, also while it does not pause', async () => {
    const module = moduleOf('grows', 'globalThis.kept = Buffer.alloc(300 * 1024 * 1024, 1); for (;;);')
    const grown = inChild(module, {}, { signal, memoryMiB: 64, residentMiB: 192 })
    await expect(grown).rejects.toThrow('it took more than 192 MiB')
    await expect(grown).rejects.toBeInstanceOf(ChildEnded)
  })

  test('that ends without an answer is told from work that no process took', async () => {
    const ended = inChild(moduleOf('leaves', 'process.exit(3)'), {}, { signal })
    await expect(ended).rejects.toThrow('it ended before its answer (3)')
    await expect(ended).rejects.not.toBeInstanceOf(ChildNotStarted)
  })
})
