import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { Instances } from '../../../infra/local/functions/instances.ts'
import { Gateway } from '../../../infra/local/gateway.ts'
import { localLog } from '../../../infra/local/local-log.ts'

/** Begins to listen unless it is told to hang. */
const PACKAGE = `
if (process.env.HANG) await new Promise(() => setInterval(() => undefined, 1_000))
export const ops = { live: (_request, response) => response.end('alive') }
`

test('a function that did not start in time is tried afresh at the next call, and the failure is in the log', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'steadycast-instances-'))
  writeFileSync(join(folder, 'index.mjs'), PACKAGE)
  writeFileSync(join(folder, 'package.json'), '{"main": "index.mjs"}')
  const environment: Record<string, string> = { PATH: process.env['PATH'] ?? '', HANG: '1' }
  const options = {
    source: folder,
    socketFolder: folder,
    environmentOf: () => environment,
    instancesPerFunction: 1,
    startTimeoutMs: 300,
    onLine: () => undefined,
  }
  const instances = new Instances(options)
  const lines: string[] = []
  const gateway = new Gateway(localLog((line) => lines.push(line)))
  const origin = await gateway.listen(0)
  gateway.open(undefined, instances)

  const failed = await fetch(`${origin}/ops-live`)
  const { error } = (await failed.json()) as { error: { error_id: string } }
  expect(failed.status).toBe(500)
  expect(lines.filter((line) => line.includes(error.error_id))).toHaveLength(1)
  expect(lines[0]).toMatch(/did not start listening/)

  Object.assign(options, { startTimeoutMs: 60_000 })
  delete environment['HANG']
  expect(await (await fetch(`${origin}/ops-live`)).text()).toBe('alive')

  await gateway.stop()
  await instances.stop()
  rmSync(folder, { recursive: true })
})
