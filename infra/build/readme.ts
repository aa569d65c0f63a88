import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { format, resolveConfig } from 'prettier'

import { FUNCTIONS } from '../../functions/functions.ts'
import { ERROR_CODES } from '../../shared/http/codes.ts'
import { PLANS } from '../../shared/quotas/plans.ts'
import { LAYERS } from '../check/layers.ts'
import { readWords, runCommandLine } from '../command-line.ts'
import { answersTable } from './answers-table.ts'
import { configurationTable } from './configuration.ts'
import { FAULT_MODES, modesOf, TARGETS } from '../local/faults.ts'
import type { FaultMode } from '../local/faults.ts'
import { table } from './markdown-table.ts'
import { requestsTable } from './requests-table.ts'

/** By README, its tables that are generated, each between `<!-- name -->` and `<!-- /name -->`. */
const TABLES: Record<string, Record<string, () => string>> = {
  'README.md': {
    functions: functionsTable,
    errors: errorsTable,
    plans: plansTable,
    configuration: configurationTable,
    faults: faultsTable,
  },
  'functions/README.md': { requests: requestsTable },
  'shared/README.md': { layers: layersTable },
  'shared/providers/README.md': { answers: answersTable },
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/**
 * The text of a README with every generated table made anew.
 * @param readme its path in the repository
 * @throws Error when a table has no place in it
 */
export function withTables(readme: string, text: string): string {
  let result = text
  for (const [name, make] of Object.entries(TABLES[readme] ?? {})) {
    const place = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(<!-- /${name} -->)`)
    if (!place.test(result)) throw new Error(`${readme} has no place for the table "${name}"`)
    result = result.replace(place, (_all, open: string, close: string) => `${open}\n${make()}\n\n${close}`)
  }
  return result
}

function functionsTable(): string {
  const rows = Object.values(FUNCTIONS).map(
    ({ name, method, alsoGet, caller, purpose, bodyBytesMax, timeoutSeconds, memoryMiB }) => [
      `\`${name}\``,
      alsoGet ? `GET, ${method}` : method,
      {
        user: 'user',
        admin: 'admin',
        tasks: 'Cloud Tasks',
        scheduler: 'Cloud Scheduler, admin',
        provider: 'provider',
        anyone: 'anyone',
      }[caller],
      bodyBytesMax === 0 ? '' : bytes(bodyBytesMax),
      `${timeoutSeconds} s`,
      `${memoryMiB} MiB`,
      purpose,
    ],
  )
  return table(['Function', 'Method', 'Caller', 'Body at most', 'Timeout', 'Memory', 'What it does'], rows)
}

function errorsTable(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, { status, retryable, message, remedy }]) => [
    `\`${code}\``,
    String(status),
    retryable ? 'yes' : 'no',
    message,
    remedy,
  ])
  return table(['Code', 'Status', 'Retryable', 'What the user reads', 'What helps'], rows)
}

function plansTable(): string {
  const amount = (name: string, limit: number) => {
    if (limit === Infinity) return 'no limit'
    return name === 'storageBytes' ? `${limit / 1024 ** 3} GiB` : limit.toLocaleString('en-US')
  }
  const names = Object.keys(PLANS.standard) as (keyof typeof PLANS.standard)[]
  const rows = Object.entries(PLANS).map(([plan, limits]) => [
    `\`${plan}\``,
    ...names.map((name) => amount(name, limits[name])),
  ])
  return table(['Plan', ...names.map((name) => `\`${name}\``)], rows)
}

function faultsTable(): string {
  const having = (mode: FaultMode) => TARGETS.filter((target) => modesOf(target).includes(mode))
  const rows = Object.entries(FAULT_MODES).map(([mode, what]) => {
    const targets = having(mode as FaultMode)
    return [
      `\`${mode}\``,
      what,
      targets.length === TARGETS.length ? 'all' : targets.map((one) => `\`${one}\``).join(', '),
    ]
  })
  return table(['Mode', 'The target', 'Targets that have it'], rows)
}

function layersTable(): string {
  const rows = LAYERS.map(({ rooms, about }) => [rooms.map((room) => `\`${room}\``).join(', '), about])
  return table(['Rooms', 'What they are for'], rows)
}

function bytes(count: number): string {
  return count >= 1024 * 1024 ? `${count / 1024 / 1024} MiB` : `${count / 1024} KiB`
}

/** Brings the tables of one README up to date, or only looks whether they are. @returns whether all is well now */
async function renew(readme: string, check: boolean): Promise<boolean> {
  const path = ROOT + readme
  const before = await readFile(path, 'utf8')
  const after = await format(withTables(readme, before), { ...(await resolveConfig(path)), parser: 'markdown' })
  const current = before === after
  if (!check && !current) await writeFile(path, after)
  const state = current ? 'up to date' : check ? 'out of date; run npm run generate' : 'written'
  process.stdout.write(`tables of ${readme}: ${state}\n`)
  return current || !check
}

const USAGE = `Usage: npm run generate [-- --check]
Brings the generated tables of the READMEs up to date.
  --check   writes nothing, and fails when one is out of date`

if (process.argv[1] === fileURLToPath(import.meta.url))
  await runCommandLine(USAGE, async () => {
    const { check = false } = readWords(process.argv.slice(2), { check: { type: 'boolean' } }).values
    let isCurrent = true
    for (const readme of Object.keys(TABLES)) isCurrent = (await renew(readme, check)) && isCurrent
    return isCurrent ? 0 : 1
  })
