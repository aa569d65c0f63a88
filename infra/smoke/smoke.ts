import { existsSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'

import { PROVIDER_NAMES, providerNamed } from '../../shared/providers/providers.ts'
import type { ProviderName } from '../../shared/providers/providers.ts'
import { CommandRefused, readWords, runCommandLine } from '../command-line.ts'
import { smoke } from './compare.ts'
import { differencesOf, reportOf } from './report.ts'

/** `npm run smoke [-- PROVIDER...]`: a few cents' worth of real calls, each compared with what its stand-in answers. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const REPORT = `${root}.steadycast/smoke/report.md`
const USAGE = `Usage: npm run smoke [-- ${PROVIDER_NAMES.join('|')} ...]
Makes every kind of real call once, for a few cents; keys are read from the environment and from .env.`

/** Exit code when calls failed. */
const FAILED = 1

await runCommandLine(USAGE, main)

async function main(): Promise<number> {
  const { positionals: words } = readWords(process.argv.slice(2), {}, { allowPositionals: true })
  const strangers = words.filter((word) => !PROVIDER_NAMES.some((name) => name === word))
  if (strangers.length > 0)
    throw new CommandRefused(`There is no provider ${strangers.join(', ')}. There are ${PROVIDER_NAMES.join(', ')}.`)
  if (existsSync(`${root}.env`)) process.loadEnvFile(`${root}.env`)
  const names = PROVIDER_NAMES.filter((name) => words.length === 0 || words.includes(name))
  const missing = names.map((name) => `${name.toUpperCase()}_API_KEY`).filter((key) => !process.env[key]?.trim())
  if (missing.length > 0)
    throw new CommandRefused(`Not set, in .env or the environment: ${missing.join(', ')}. Nothing was called.`)
  return visit(names)
}

async function visit(names: readonly ProviderName[]): Promise<number> {
  tellCosts(names)
  const seen = await smoke(names, {
    environment: process.env,
    recordingPath: `${root}test/fixtures/speech.flac`,
    pollMs: 3_000,
    say: (line) => void process.stdout.write(`${line}\n`),
  })
  await mkdir(fileURLToPath(new URL('.', `file://${REPORT}`)), { recursive: true })
  await writeFile(REPORT, reportOf(seen, new Date()))
  const count = seen.reduce((sum, one) => sum + [...differencesOf(one).values()].flat().length, 0)
  process.stdout.write(`${count} differences, in ${relative(process.cwd(), REPORT)}\n`)
  return seen.some(({ failed }) => failed) ? FAILED : 0
}

function tellCosts(names: readonly ProviderName[]): void {
  for (const name of names) {
    const { cents, why } = providerNamed(name).trial
    process.stdout.write(`${name.padEnd(12)} about ${cents} cents (${why})\n`)
  }
  const sum = names.reduce((cents, name) => cents + providerNamed(name).trial.cents, 0)
  process.stdout.write(`in all about ${sum.toFixed(1)} cents; what is made there is removed again\n`)
}
