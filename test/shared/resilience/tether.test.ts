import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

import { describe, expect, test } from 'vitest'

import { descendantsOf, isAlive } from '../processes.ts'

const PARENT = fileURLToPath(new URL('./tethered-parent.ts', import.meta.url))
/** A bound, not an expectation. What is left does not end by itself. */
const GONE_MS_MAX = 100_000

/** A process that has started so many others, the watcher and those of a group counted in. */
async function startParent(kinds: readonly string[], descendants: number) {
  const parent = spawn(process.execPath, [PARENT, ...kinds], { stdio: 'ignore' })
  const pid = parent.pid ?? 0
  await expect.poll(() => descendantsOf(pid).length, { timeout: 100_000 }).toBe(descendants)
  return { pid, parent }
}

describe('what a process started', () => {
  test.each([
    ['SIGKILL', 'native ffmpeg', 2],
    ['SIGKILL', 'ffmpeg in WebAssembly', 2],
    ['SIGKILL', 'a child that computes', 2],
    ['SIGKILL', 'a process group', 4],
    ['SIGTERM', 'a child that computes', 2],
    ['SIGINT', 'a process group', 4],
  ] as const)('is gone after %s, be it %s', async (signal, kind, descendants) => {
    const { pid, parent } = await startParent([kind], descendants)
    const started = descendantsOf(pid)
    parent.kill(signal)
    await expect.poll(() => started.filter(isAlive), { timeout: GONE_MS_MAX }).toEqual([])
  })
})
