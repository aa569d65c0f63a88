import { spawnSync } from 'node:child_process'

import { expect, test } from 'vitest'

const MODULE = new URL('../../../../shared/telemetry/blocking-wait/blocking-wait.ts', import.meta.url).href

test("Node's main thread may be blocked, also while its process ends, and nothing runs meanwhile", () => {
  const script = `
    import { blockThread } from '${MODULE}'
    import { isMainThread } from 'node:worker_threads'
    const seen = []
    setTimeout(() => seen.push('timer'), 1)
    process.once('exit', () => {
      blockThread(20)
      console.log(JSON.stringify(seen))
    })
    const sinceMs = performance.now()
    blockThread(20)
    seen.push(isMainThread, performance.now() - sinceMs >= 19)
    process.exit()
  `
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  expect([stdout.trim(), stderr]).toEqual(['[true,true]', ''])
})
