import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, describe, expect, test } from 'vitest'

import { checkLayout } from '../../infra/check/layout.ts'

const sound = {
  'functions/a.ts': "import { x } from '../shared/x.ts'\nexport const a = x\n",
  'shared/x.ts': 'export const x = 1\n',
  'infra/i.ts': "import { x } from '../shared/x.ts'\nexport const i = x\n",
  'test/t.ts': "import { i } from '../infra/i.ts'\nexport const t = i\n",
}
let folder = ''
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function repository(files: Record<string, string>): string {
  folder = mkdtempSync(join(tmpdir(), 'layout-'))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

const rulesBroken = (extra: Record<string, string>) =>
  checkLayout(repository({ ...sound, ...extra })).violations.map(({ rule }) => rule)

describe('the layout check', () => {
  test('passes this repository, having looked at it', () => {
    const result = checkLayout(fileURLToPath(new URL('../../', import.meta.url)))
    expect(result.violations).toEqual([])
    expect(result.filesSeen).toBeGreaterThan(100)
  })

  test('passes a sound one', () => {
    expect(rulesBroken({})).toEqual([])
  })

  test('lets a provider and its list in', () => {
    const files = {
      'shared/providers/acme/client.ts': "import { e } from '../provider-error.ts'\nexport const c = e\n",
      'shared/providers/acme/provider.ts': "export const acme = () => import('./client.ts')\n",
      'shared/providers/providers.ts': "import { acme } from './acme/provider.ts'\nexport const all = [acme]\n",
      'shared/episodes/s.ts': "import { e } from '../providers/provider-error.ts'\nexport const s = e\n",
    }
    expect(rulesBroken(files)).toEqual([])
  })

  test('fails when it looked at nothing', () => {
    const { 'shared/x.ts': _gone, ...rest } = sound
    expect(() => checkLayout(repository({ ...rest, 'shared/readme.txt': '' }))).toThrow(/no source files in shared/)
  })

  test.each([
    [
      'shared importing infra',
      { 'shared/y.ts': "import { i } from '../infra/i.ts'\nexport const y = i\n" },
      /shared imports neither/,
    ],
    [
      'code importing test',
      { 'infra/j.ts': "import { t } from '../test/t.ts'\nexport const j = t\n" },
      /nothing imports test/,
    ],
    [
      'a function with an SDK',
      { 'functions/f/g.ts': "import { Storage } from '@google-cloud/storage'\nexport { Storage }\n" },
      /no SDK/,
    ],
    [
      'one function importing another',
      { 'functions/f/g.ts': '', 'functions/f/h.ts': "import '../f/g.ts'\n" },
      /one another/,
    ],
    [
      'a lazy import of an SDK in the domain',
      { 'shared/episodes/e.ts': "export const e = () => import('@google-cloud/tasks')\n" },
      /holds no SDK/,
    ],
    [
      'errors that import',
      { 'shared/errors/e.ts': "import { x } from '../x.ts'\nexport const e = x\n" },
      /import nothing of ours/,
    ],
    [
      'a client of a provider in the composition',
      { 'shared/dependencies/d.ts': "import { c } from '../providers/acme/client.ts'\nexport const d = c\n" },
      /entered by the list of providers/,
    ],
    [
      'a lazy import of another provider',
      { 'shared/providers/acme/p.ts': "export const p = () => import('../other/client.ts')\n" },
      /entered by the list of providers/,
    ],
    [
      'a stand-in that is started by hand',
      { 'infra/local/x.ts': "import { s } from './providers/acme/stand-in.ts'\nexport const x = s\n" },
      /entered by the list of stand-ins/,
    ],
    [
      'a step that knows the list of providers',
      { 'shared/episodes/s.ts': "import { p } from '../providers/providers.ts'\nexport const s = p\n" },
      /know no provider/,
    ],
    ['a stray folder at the top', { 'src/a.ts': '' }, /top level/],
    ['an enum', { 'shared/y.ts': 'export enum Y { A }\n' }, /no enums/],
    ['a barrel', { 'shared/y.ts': "export * from './x.ts'\n" }, /no barrels/],
    ['an endless file', { 'shared/y.ts': '\n'.repeat(400) }, /a file is a room/],
  ])('refuses %s', (_name, extra, rule) => {
    expect(rulesBroken(extra).some((broken) => rule.test(broken))).toBe(true)
  })
})
