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

/** Irregular participles that no verb of ours is spelled like; a function that does something is a verb. */
const PARTICIPLES = new Set(
  'begun bound bought brought built caught chosen done drawn driven fed forgotten found given gone hidden held kept known laid lost made meant met moved paid said seen sent shown spent spoken stood taken taught told thought thrown understood withdrawn worked written'.split(
    ' ',
  ),
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
  violations.push(...files.flatMap((file) => standInViolations(root, files, file)))
  return { violations, filesSeen: files.length }
}

/** The local cloud plays every provider: it finds each one's stand-in by its name, when it starts. */
function standInViolations(root: string, files: readonly string[], file: string): Violation[] {
  const [, name] = /^shared\/providers\/(\w+)\/provider\.ts$/.exec(file) ?? []
  if (name === undefined) return []
  const standIn = `infra/local/providers/${name}/stand-in.ts`
  const isThere = files.includes(standIn)
  const text = isThere ? readFileSync(join(root, standIn), 'utf8') : ''
  if (new RegExp(`^export const ${name}\\b`, 'm').test(text)) return []
  return [{ file, rule: `a provider has a stand-in: ${standIn} ${isThere ? `must export ${name}` : 'is missing'}` }]
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
  if (/^ *(export )?(const )?enum /m.test(text)) found.push({ file, rule: 'no enums' })
  if (/^export \* from/m.test(text)) found.push({ file, rule: 'no barrels' })
  if (!isTest)
    for (const name of functionNames(text))
      if (isParticiple(name)) found.push({ file, rule: `functions are verbs: ${name} is a past participle` })
  return found
}

const ARGUMENTS = String.raw`\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)`
const FUNCTION_NAMES = new RegExp(
  [
    String.raw`^\s*(?:export )?(?:default )?(?:async )?function\*? (\w+)`,
    // A method or a getter; its body begins on the same line.
    String.raw`^ {2,6}(?:async |static |override |get )*[*#]*(\w+)\([^;{}]*\)(?:: [^;={}]+)? \{$`,
    // A function as a value: of a constant, of a field, in a type.
    String.raw`\bconst (\w+)(?:: [^=\n]+)? = (?:async )?(?:\w+|${ARGUMENTS}(?:: [^=;]+?)?) =>`,
    String.raw`^ +(?:readonly )?#?(\w+)\??: (?:async )?(?:\w+|${ARGUMENTS}(?:: [^=;\n]+?)?) =>`,
  ].join('|'),
  'gm',
)

/** Functions by their names, methods included; a name may be found twice. */
function functionNames(text: string): string[] {
  return [...text.matchAll(FUNCTION_NAMES)].flatMap(([, ...names]) => names.find((name) => name !== undefined) ?? [])
}

/** Whether a name is a participle, alone or with what follows one: `madeBy`, `foundAt`. */
function isParticiple(name: string): boolean {
  const [, word = ''] = /^([a-z]+)(?:By|At|As|For|From|In|Over|To|With)?$/.exec(name) ?? []
  if (NO_PARTICIPLES.has(word)) return false
  return PARTICIPLES.has(word) || /[^e]ed$/.test(word)
}
