import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

/** A place where the house rules are not kept. */
export type Violation = { file: string; rule: string }

const TOP_LEVEL = new Set([
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'firebase.json',
  'README.md',
  'LICENSE',
  'functions',
  'shared',
  'infra',
  'test',
])
const IGNORED = new Set(['node_modules', 'dist', 'coverage'])
/** Tests list facts, one after another, and may be longer. */
const FILE_LINES_MAX = { code: 320, test: 420 }
const CODE_FOLDERS = ['functions', 'shared', 'infra', 'test']

/** Packages that hold a Google or provider SDK. */
const SDK = /^(@google-cloud\/|google-gax|google-auth-library|@google\/genai|@elevenlabs\/|assemblyai|firebase)/

type Import = { from: string; to: string; typeOnly: boolean; external: boolean }
type Rule = { name: string; breaks: (one: Import) => boolean }

const inside = (path: string, ...folders: string[]) =>
  folders.some((folder) => path === folder || path.startsWith(`${folder}/`))
const between =
  (from: string, ...to: string[]) =>
  (one: Import) =>
    inside(one.from, from) && !one.external && inside(one.to, ...to)

/** Folders that only themselves and one list may enter. */
const entered =
  (parent: string, list: string) =>
  ({ from, to, external }: Import) => {
    const folder = new RegExp(`^${parent}/[^/]+/`).exec(to)?.[0]
    return !external && folder !== undefined && from !== `${parent}/${list}` && !from.startsWith(folder)
  }

/** Who may import whom (README, "The house"). */
const RULES: readonly Rule[] = [
  { name: 'shared imports neither functions nor infra', breaks: between('shared', 'functions', 'infra') },
  {
    name: 'nothing imports test',
    breaks: (one) => !inside(one.from, 'test') && !one.external && inside(one.to, 'test'),
  },
  { name: 'functions import no infra', breaks: between('functions', 'infra') },
  {
    name: 'of functions, infra imports only the table',
    breaks: (one) => between('infra', 'functions')(one) && one.to !== 'functions/functions.ts',
  },
  {
    name: 'functions import no SDK',
    breaks: (one) => inside(one.from, 'functions') && one.external && SDK.test(one.to),
  },
  {
    name: 'functions never import one another',
    breaks: (one) =>
      between('functions', 'functions')(one) && one.from !== 'functions/index.ts' && /^functions\/.+\//.test(one.to),
  },
  {
    name: 'shared/episodes holds no SDK',
    breaks: (one) => inside(one.from, 'shared/episodes') && one.external && SDK.test(one.to),
  },
  {
    name: 'shared/episodes knows store, tasks and dependencies by type only',
    breaks: (one) =>
      !one.typeOnly && between('shared/episodes', 'shared/store', 'shared/tasks', 'shared/dependencies')(one),
  },
  {
    name: "a provider's folder is entered by the list of providers alone",
    breaks: entered('shared/providers', 'providers.ts'),
  },
  {
    name: "a stand-in's folder is entered by the list of stand-ins alone",
    breaks: entered('infra/local/providers', 'stand-ins.ts'),
  },
  {
    name: 'shared/podcast, shared/episodes and shared/operations know no provider, but how one fails',
    breaks: (one) =>
      inside(one.from, 'shared/podcast', 'shared/episodes', 'shared/operations') &&
      inside(one.to, 'shared/providers') &&
      one.to !== 'shared/providers/provider-error.ts',
  },
  {
    name: 'shared/breaker can be taken away: of ours it imports only errors, and SDKs by type',
    breaks: (one) =>
      inside(one.from, 'shared/breaker') &&
      !one.typeOnly &&
      (one.external
        ? one.to !== 'zod' && !one.to.startsWith('node:')
        : !inside(one.to, 'shared/breaker', 'shared/errors')),
  },
  {
    name: 'shared/errors, shared/config.ts and shared/environment.ts import nothing of ours',
    breaks: (one) =>
      inside(one.from, 'shared/errors', 'shared/config.ts', 'shared/environment.ts') &&
      !one.external &&
      !inside(one.to, 'shared/errors', 'shared/environment.ts'),
  },
]

/** Checks the repository at `root`. @throws Error when it found nothing to look at, so that a moved folder is noticed */
export function checkLayout(root: string): { violations: Violation[]; filesSeen: number; importsSeen: number } {
  const violations: Violation[] = []
  for (const entry of readdirSync(root))
    if (!entry.startsWith('.') && !IGNORED.has(entry) && !TOP_LEVEL.has(entry))
      violations.push({ file: entry, rule: 'the top level holds only what the README names' })

  let importsSeen = 0
  const files = CODE_FOLDERS.flatMap((folder) => sourceFiles(root, folder))
  for (const folder of CODE_FOLDERS)
    if (!files.some((file) => inside(file, folder))) throw new Error(`layout: no source files in ${folder}/`)
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8')
    violations.push(...fileViolations(file, text))
    for (const one of importsOf(file, text)) {
      importsSeen++
      for (const { name, breaks } of RULES)
        if (breaks(one)) violations.push({ file: `${file} -> ${one.to}`, rule: name })
    }
  }
  if (importsSeen === 0) throw new Error('layout: no imports found')
  return { violations, filesSeen: files.length, importsSeen }
}

function sourceFiles(root: string, folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).replaceAll('\\', '/'))
    .filter((file) => !file.includes('node_modules/'))
}

function fileViolations(file: string, text: string): Violation[] {
  const found: Violation[] = []
  const lines = text.split('\n').length
  const linesMax = inside(file, 'test') ? FILE_LINES_MAX.test : FILE_LINES_MAX.code
  if (lines > linesMax) found.push({ file, rule: `a file is a room: ${lines} lines, at most ${linesMax}` })
  if (/\/utils?\.ts$/.test(file)) found.push({ file, rule: 'no file is called utils' })
  if (/^\s*(export\s+)?(const\s+)?enum\s/m.test(text)) found.push({ file, rule: 'no enums' })
  if (/^export \* from/m.test(text)) found.push({ file, rule: 'no barrels' })
  return found
}

function* importsOf(file: string, text: string): Generator<Import> {
  const statements = /^(?:import|export)\s+(type\s+)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|import\('([^']+)'\)/gm
  for (const [, type, fixed, lazy] of text.matchAll(statements)) {
    const to = fixed ?? lazy ?? ''
    const external = !to.startsWith('.')
    yield {
      from: file,
      to: external ? to : relative('.', resolve(dirname(file), to)).replaceAll('\\', '/'),
      typeOnly: type !== undefined,
      external,
    }
  }
}
