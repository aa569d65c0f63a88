import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

import { afterEach, describe, expect, test } from 'vitest'

import { checkDependencies } from '../../infra/check/dependencies.ts'
import { LAYERS } from '../../infra/check/layers.ts'
import { checkLayout } from '../../infra/check/layout.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const sound = {
  'functions/a.ts': "import { x } from '../shared/podcast/x.ts'\nexport const a = x\n",
  'shared/podcast/x.ts': 'export const x = 1\n',
  'infra/i.ts': "import { x } from '../shared/podcast/x.ts'\nexport const i = x\n",
  'test/t.ts': "import { i } from '../infra/i.ts'\nexport const t = i\n",
}
let folder = ''
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function repository(files: Record<string, string>): string {
  folder = realpathSync(mkdtempSync(join(tmpdir(), 'layout-')))
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), text)
  }
  return folder
}

const filesAgainst = (extra: Record<string, string>) =>
  checkLayout(repository({ ...sound, ...extra })).violations.map(({ rule }) => rule)
const importsAgainst = async (extra: Record<string, string>) =>
  (await checkDependencies(repository({ ...sound, ...extra }))).violations.map(({ rule }) => rule)

describe('the check of files', () => {
  test('passes this repository, having looked at it', () => {
    const { violations, filesSeen } = checkLayout(ROOT)
    expect(violations).toEqual([])
    expect(filesSeen).toBeGreaterThan(100)
  })

  test('passes a sound one', () => {
    expect(filesAgainst({})).toEqual([])
  })

  test('names a provider without its stand-in, and a stand-in that goes by another name', () => {
    const provider = { 'shared/providers/vox/provider.ts': 'export const vox = 1\n' }
    const standIn = 'infra/local/providers/vox/stand-in.ts'
    expect(filesAgainst(provider)).toEqual([`a provider has a stand-in: ${standIn} is missing`])
    const misnamed = { ...provider, [standIn]: 'export const other = 1\n' }
    expect(filesAgainst(misnamed)).toEqual([`a provider has a stand-in: ${standIn} must export vox`])
    expect(filesAgainst({ ...provider, [standIn]: 'export const vox = 1\n' })).toEqual([])
  })

  test('lets every folder have a README, and the top level its LICENSE and NOTICE', () => {
    const readmes = { 'shared/README.md': '# Shared', 'test/a/b/README.md': '# B', 'functions/README.md': '# F' }
    expect(filesAgainst({ ...readmes, LICENSE: 'Apache', NOTICE: 'us', 'README.md': '# All' })).toEqual([])
    expect(filesAgainst({ 'NOTES.md': 'ours' })).not.toEqual([])
  })

  test('fails when it looked at nothing', () => {
    const { 'shared/podcast/x.ts': _gone, ...rest } = sound
    expect(() => checkLayout(repository({ ...rest, 'shared/readme.txt': '' }))).toThrow(/no source files in shared/)
  })

  test.each<[string, Record<string, string>, RegExp]>([
    ['a stray folder at the top', { 'src/a.ts': '' }, /top level/],
    ['an enum', { 'shared/y.ts': 'export enum Y { A }\n' }, /no enums/],
    ['a barrel', { 'shared/y.ts': "export * from './podcast/x.ts'\n" }, /no barrels/],
    ['a utils file', { 'shared/utils.ts': 'export const u = 1\n' }, /utils/],
    ['a file that is too long', { 'shared/y.ts': '//\n'.repeat(400) }, /a room/],
    ['a function that is a participle', { 'shared/y.ts': 'export function taken(): void {}\n' }, /taken is a past/],
    ['another', { 'shared/y.ts': 'async function classified(a: string) {\n  return a\n}\n' }, /classified is a past/],
    [
      'a method that is one',
      { 'shared/y.ts': 'class Y {\n  async stored(a: string) {\n    return a\n  }\n}\n' },
      /stored/,
    ],
    [
      'a getter that is one',
      { 'shared/y.ts': 'class Y {\n  get dropped(): number {\n    return 1\n  }\n}\n' },
      /dropped/,
    ],
    [
      'a constant that is one',
      { 'shared/y.ts': 'const granted = async (a: string): Promise<void> => f(a)\n' },
      /granted/,
    ],
    ['a field that is one', { 'shared/y.ts': 'const y = {\n  failed: (error: unknown) => f(error),\n}\n' }, /failed/],
    ['one in a type', { 'shared/y.ts': 'type Y = {\n  readonly refused: (a: () => void) => void\n}\n' }, /refused/],
    ['one with a preposition', { 'shared/y.ts': 'function madeBy(a: string): string {\n  return a\n}\n' }, /madeBy/],
  ])('finds %s', (_name, files, rule) => {
    expect(filesAgainst(files).some((broken) => rule.test(broken))).toBe(true)
  })

  test('leaves values alone that are participles', () => {
    const values =
      'const stored = read()\nconst granted = kinds.map((kind) => kind)\n/** Every function started (once). */\n'
    expect(filesAgainst({ 'shared/y.ts': values })).toEqual([])
  })

  test.each(['feed', 'storedAtMs', 'needsIt', 'takeTask', 'isClosed', 'changedFields'])('leaves %s alone', (name) => {
    expect(filesAgainst({ 'shared/y.ts': `export function ${name}(): void {}\n` })).toEqual([])
  })
})

describe('the check of imports', () => {
  test('passes this repository, having looked at it', async () => {
    const { violations, importsSeen } = await checkDependencies(ROOT)
    expect(violations).toEqual([])
    expect(importsSeen).toBeGreaterThan(1000)
  })

  test('passes a sound one', async () => {
    expect(await importsAgainst({})).toEqual([])
  })

  test('lets a provider and its list in', async () => {
    const files = {
      'shared/providers/acme/client.ts': "import { e } from '../errors.ts'\nexport const c = e\n",
      'shared/providers/acme/provider.ts': "export const acme = () => import('./client.ts')\n",
      'shared/providers/providers.ts': "import { acme } from './acme/provider.ts'\nexport const all = [acme]\n",
      'shared/providers/errors.ts': 'export const e = 1\n',
    }
    expect(await importsAgainst(files)).toEqual([])
  })

  const inRoom = (room: string, text: string): Record<string, string> =>
    room.endsWith('.ts') ? { [`shared/${room}`]: text } : { [`shared/${room}/r.ts`]: text }
  const fileOf = (room: string) => (room.endsWith('.ts') ? room : `${room}/r.ts`)
  const pairs = LAYERS.slice(1).map(({ rooms: [low = ''] }, index) => [low, LAYERS[index]?.rooms[0] ?? ''] as const)

  test.each(pairs)('finds an arrow up, from %s to %s, be it of a type', async (low, high) => {
    const up = low.endsWith('.ts') ? './' : '../'
    const files = {
      ...inRoom(high, 'export type T = 1\n'),
      ...inRoom(low, `import type { T } from '${up}${fileOf(high)}'\nexport type U = T\n`),
    }
    expect((await importsAgainst(files)).some((rule) => /no arrow up/.test(rule))).toBe(true)
  })

  test.each<[string, Record<string, string>, RegExp]>([
    [
      'a cycle, be it of types',
      {
        'shared/podcast/a.ts': "import type { B } from './b.ts'\nexport type A = B | 1\n",
        'shared/podcast/b.ts': "import type { A } from './a.ts'\nexport type B = A | 2\n",
      },
      /no cycle/,
    ],
    [
      'a room without a layer',
      { 'shared/cellar/c.ts': 'export const c = 1\n', 'shared/quotas/q.ts': "export { c } from '../cellar/c.ts'\n" },
      /has a layer/,
    ],
    ['an import that leads nowhere', { 'shared/podcast/n.ts': "export * as n from './gone.ts'\n" }, /is found/],
    ['shared that knows infra', { 'shared/podcast/s.ts': "export { i } from '../../infra/i.ts'\n" }, /below functions/],
    ['production code that knows tests', { 'infra/p.ts': "export { t } from '../test/t.ts'\n" }, /nobody/],
    ['infra that knows a function', { 'infra/f.ts': "export { a } from '../functions/a.ts'\n" }, /the table/],
    [
      'a function that knows another',
      { 'functions/b/b.ts': 'export const b = 1\n', 'functions/c/c.ts': "export { b } from '../b/b.ts'\n" },
      /do not know one another/,
    ],
    [
      'an adapter that knows its neighbour',
      { 'shared/store/s.ts': 'export const s = 1\n', 'shared/tasks/t.ts': "export { s } from '../store/s.ts'\n" },
      /no arrow aside/,
    ],
    [
      'an engine that knows the edge',
      { 'shared/http/h.ts': 'export const h = 1\n', 'shared/engine/e.ts': "export { h } from '../http/h.ts'\n" },
      /anybody/,
    ],
    [
      'a breaker that imports, be it a type',
      {
        'shared/errors/x.ts': 'export type X = 1\n',
        'shared/breaker/b.ts': "import type { X } from '../errors/x.ts'\nexport type B = X\n",
      },
      /the breaker/,
    ],
    [
      'a store that speaks HTTP',
      {
        'shared/http/http-error.ts': 'export const HttpError = 1\n',
        'shared/store/s.ts': "export { HttpError } from '../http/http-error.ts'\n",
      },
      /knows HTTP/,
    ],
    [
      'a client of a provider in the composition',
      {
        'shared/providers/acme/client.ts': 'export const c = 1\n',
        'shared/dependencies/d.ts': "export { c } from '../providers/acme/client.ts'\n",
      },
      /one door/,
    ],
    [
      'a lazy import of another provider',
      {
        'shared/providers/other/client.ts': 'export const c = 1\n',
        'shared/providers/acme/p.ts': "export const p = () => import('../other/client.ts')\n",
      },
      /do not know one another/,
    ],
    [
      'a stand-in that is started by hand',
      {
        'infra/local/providers/acme/stand-in.ts': 'export const s = 1\n',
        'infra/local/x.ts': "export { s } from './providers/acme/stand-in.ts'\n",
      },
      /one door/,
    ],
  ])('finds %s', async (_name, files, rule) => {
    expect((await importsAgainst(files)).some((broken) => rule.test(broken))).toBe(true)
  })
})
