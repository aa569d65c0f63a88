import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'steadycast-commands-'))
afterAll(() => rmSync(folder, { recursive: true }))

/** A command of the README as a person types it: what it says, and how it ends. */
async function run(script: string, ...words: string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [script, ...words], { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output += chunk.toString()))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, output })))
}

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
/** What of our code some npm script runs. */
const COMMANDS = new Set(Object.values(scripts).flatMap((line) => /^node (\S+\.ts)/.exec(line)?.[1] ?? []))

test('npm has scripts for every command', () => {
  expect(COMMANDS.size).toBeGreaterThanOrEqual(12)
})

test.each([...COMMANDS])('%s says how it is used, and in a line what it does not know', async (script) => {
  const [help, unknown] = await Promise.all([run(script, '--help'), run(script, '--outrage')])
  expect([help.code, unknown.code]).toEqual([0, 2])
  expect(help.output).toMatch(/^Usage: npm /)
  expect(unknown.output).toMatch(/^Unknown option '--outrage'\..*\n$/)
})

describe('npm run demo', () => {
  const demo = 'infra/demo/demo.ts'

  test('with a file that is not audio says so and exits with 1', async () => {
    const file = join(folder, 'letter.mp3')
    writeFileSync(file, '<html>this is a page</html>')
    const { code, output } = await run(demo, file)
    expect(code).toBe(1)
    expect(output).toMatch(/does not contain audio we can read/)
  })

  test('with what cannot be says so in a line before anything starts, and exits with 2', async () => {
    const [nothing, silent] = await Promise.all([
      run(demo, join(folder, 'nothing.mp3')),
      run(demo, 'package.json', '--outage=all'),
    ])
    expect(nothing).toEqual({ code: 2, output: `There is no file ${join(folder, 'nothing.mp3')}.\n` })
    expect(silent.code).toBe(2)
    expect(silent.output).toMatch(/^There is no package\.txt; .*\n$/)
  })
})
