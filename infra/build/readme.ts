import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

import { format, resolveConfig } from 'prettier'

import { FUNCTIONS } from '../../functions/functions.ts'
import { ERROR_CODES } from '../../shared/http/codes.ts'
import { PLANS } from '../../shared/quotas/plans.ts'
import { configurationTable } from './configuration.ts'
import { table } from './markdown-table.ts'

/** The README's tables that are generated, each between `<!-- name -->` and `<!-- /name -->`. */
const TABLES: Record<string, () => string> = {
  functions: functionsTable,
  errors: errorsTable,
  plans: plansTable,
  configuration: configurationTable,
}

const README = fileURLToPath(new URL('../../README.md', import.meta.url))

/** The text with every generated table made anew. @throws Error when a table has no place in it */
export function withTables(text: string): string {
  let result = text
  for (const [name, make] of Object.entries(TABLES)) {
    const place = new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*?(<!-- /${name} -->)`)
    if (!place.test(result)) throw new Error(`README.md has no place for the table "${name}"`)
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

function bytes(count: number): string {
  return count >= 1024 * 1024 ? `${count / 1024 / 1024} MiB` : `${count / 1024} KiB`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const before = await readFile(README, 'utf8')
  const after = await format(withTables(before), { ...(await resolveConfig(README)), parser: 'markdown' })
  const current = before === after
  const check = process.argv.includes('--check')
  if (!check && !current) await writeFile(README, after)
  const state = current ? 'up to date' : check ? 'out of date; run npm run generate' : 'written'
  process.stdout.write(`README tables: ${state}\n`)
  process.exitCode = check && !current ? 1 : 0
}
