import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'

/** A place where the house rules are not kept. */
export type Violation = { file: string; rule: string }

const TOP_LEVEL = new Set([
  'package.json',
  'package-lock.json',
  'tsconfig.json',
  'firebase.json',
  'README.md',
  'LICENSE',
  'NOTICE',
  'functions',
  'shared',
  'infra',
  'test',
])
const IGNORED = new Set(['node_modules', 'dist', 'coverage'])
/** Tests list facts, one after another, and may be longer. */
const FILE_LINES_MAX = { code: 320, test: 420 }
const CODE_FOLDERS = ['functions', 'shared', 'infra', 'test']

/** Participles that are no adjectives of anything we have; a function that does something is a verb. */
const PARTICIPLES = new Set(
  'begun built cut done found given gone held kept known left lost made met moved read run said seen sent set shown spoken stood taken told thrown understood worked written'
    .split(' ')
    // Words that are verbs as well.
    .filter((word) => !['cut', 'found', 'left', 'read', 'run', 'set'].includes(word)),
)
/** Verbs and nouns that end as participles do. */
const NO_PARTICIPLES = new Set(['embed', 'exceed', 'feed', 'need', 'proceed', 'seed', 'shed', 'speed', 'succeed'])

/** Checks files of the repository at `root`. @throws Error when it found nothing to look at, so that a moved folder is noticed */
export function checkLayout(root: string): { violations: Violation[]; filesSeen: number } {
  const violations: Violation[] = []
  for (const entry of readdirSync(root))
    if (!entry.startsWith('.') && !IGNORED.has(entry) && !TOP_LEVEL.has(entry))
      violations.push({ file: entry, rule: 'the top level holds only what the README names' })
  const files = CODE_FOLDERS.flatMap((folder) => {
    const found = sourceFiles(root, folder)
    if (found.length === 0) throw new Error(`layout: no source files in ${folder}/`)
    return found
  })
  for (const file of files) violations.push(...fileViolations(file, readFileSync(join(root, file), 'utf8')))
  return { violations, filesSeen: files.length }
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
  const isTest = file.startsWith('test/')
  const linesMax = isTest ? FILE_LINES_MAX.test : FILE_LINES_MAX.code
  if (lines > linesMax) found.push({ file, rule: `a file is a room: ${lines} lines, at most ${linesMax}` })
  if (/\/utils?\.ts$/.test(file)) found.push({ file, rule: 'no file is called utils' })
  if (/^\s*(export\s+)?(const\s+)?enum\s/m.test(text)) found.push({ file, rule: 'no enums' })
  if (/^export \* from/m.test(text)) found.push({ file, rule: 'no barrels' })
  if (!isTest)
    for (const name of functionNames(text))
      if (isParticiple(name)) found.push({ file, rule: `functions are verbs: ${name} is a past participle` })
  return found
}

/** Functions that are declared by name, methods included. */
function* functionNames(text: string): Generator<string> {
  const declarations =
    /\bfunction\*? (\w+)|^ {2,4}(?:async |static |readonly )*[*#]*(\w+)\([^;{}]*\)(?:: [^;={}]+)? \{$/gm
  for (const [, declared, method] of text.matchAll(declarations)) yield declared ?? method ?? ''
}

function isParticiple(name: string): boolean {
  // A name of several words that begins with a verb is one, whatever it ends with.
  if (!/^[a-z]+$/.test(name) || NO_PARTICIPLES.has(name)) return false
  return PARTICIPLES.has(name) || /[^e]ed$/.test(name)
}
