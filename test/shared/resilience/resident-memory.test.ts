import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'

import { afterEach, expect, test } from 'vitest'

import { watchResidentMemory } from '../../../shared/resilience/resident-memory.ts'

const started: ChildProcess[] = []
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
})

/** A process that has so much, and never pauses again. */
async function processOf(mebibytes: number): Promise<number> {
  const script = `const kept = Buffer.alloc(${mebibytes} * 1024 * 1024, 1); require('node:fs').writeSync(1, 'x'); for (;;) kept[0]++`
  const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'ignore'] })
  started.push(child)
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return child.pid ?? 0
}

test.each([
  ['a system that has files about its processes', '/proc'],
  ['any other', '/nowhere'],
])('what a process has beyond its bound is noticed on %s, and what is within is not', async (_system, proc) => {
  const [small, large] = [await processOf(1), await processOf(300)]
  const noticed: string[] = []
  const isNoticed = new Promise<void>((resolve) => {
    const endOfSmall = watchResidentMemory(small, 250, () => noticed.push('small'), proc)
    const endOfLarge = watchResidentMemory(
      large,
      250,
      () => {
        noticed.push('large')
        if (noticed.length < 2) return
        endOfSmall()
        endOfLarge()
        resolve()
      },
      proc,
    )
  })
  await isNoticed
  expect(new Set(noticed)).toEqual(new Set(['large']))
})
