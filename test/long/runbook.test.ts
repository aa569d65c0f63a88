import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { promisify } from 'node:util'

import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { ALERT_RULES } from '../../infra/cloud/monitoring/rules.ts'
import type { LocalCloud } from '../../infra/local/local-cloud.ts'
import { startTestCloud } from '../e2e/cloud.ts'

const run = promisify(execFile)
const RUNBOOK = readFileSync(new URL('../../infra/RUNBOOK.md', import.meta.url), 'utf8')
/** Commands by what they need: this machine, or a project. */
const BLOCKS = [...RUNBOOK.matchAll(/```sh( gcloud)?\n([\s\S]*?)```/g)].map(([, cloud, text]) => ({
  needsCloud: cloud !== undefined,
  text: text ?? '',
}))

let cloud: LocalCloud
beforeAll(async () => {
  cloud = await startTestCloud()
})
afterAll(() => cloud.stop())

describe('the runbook', () => {
  test('has every alert, and for each what it means, how to look, what to do and how to know that it is over', () => {
    const sections = RUNBOOK.split(/^### /m)
    for (const { id } of ALERT_RULES) {
      const section = sections.find((one) => one.startsWith(`${id}\n`)) ?? ''
      for (const part of ['What it means', 'How to look', 'What to do', 'How to know it is over'])
        expect([id, section.includes(`**${part}.**`)]).toEqual([id, true])
    }
  })

  test('has commands that work, one after the other, as they stand', async () => {
    const local = BLOCKS.filter(({ needsCloud }) => !needsCloud)
    expect(local.length).toBeGreaterThan(6)
    const script = ['set -euo pipefail', `api=${cloud.origin}`, ...local.map(({ text }) => text)].join('\n')
    const { stdout } = await run('bash', ['-c', script])
    // Left to itself again, it is open until the next call finds out.
    expect(stdout).toMatch(/^gemini +open +auto/m)
    expect(stdout).toContain('{ checked: 0, stuck: 0 }')
    expect(stdout).toMatch(/^200$/m)
  })

  test('has commands for the cloud that a shell can read', async () => {
    for (const { text } of BLOCKS.filter(({ needsCloud }) => needsCloud)) {
      const read = run('bash', ['-n', '-c', text])
      await expect(read).resolves.toMatchObject({ stderr: '' })
    }
  })

  test('links to nothing that is not there', () => {
    const anchors = new Set(
      [...RUNBOOK.matchAll(/^#+ (.+)$/gm)].map(([, title = '']) => title.toLowerCase().replaceAll(' ', '-')),
    )
    const links = [...RUNBOOK.matchAll(/\]\(#([^)]+)\)/g)].map(([, anchor = '']) => anchor)
    expect(links.filter((anchor) => !anchors.has(anchor))).toEqual([])
  })
})
