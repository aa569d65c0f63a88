import { createWriteStream, existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { startLocalCloud } from './local-cloud.ts'
import { requireOnlyStart } from './one-start.ts'
import { stopOnSignals } from './signals.ts'
import { readStartOptions, requireFree, START_USAGE, StartRefused } from './start-options.ts'
import type { StartOptions } from './start-options.ts'

/** `npm start`: the local cloud and every function, until SIGINT or SIGTERM. */
const root = fileURLToPath(new URL('../../', import.meta.url))

try {
  if (existsSync(`${root}.env`)) process.loadEnvFile(`${root}.env`)
  const options = readStartOptions(process.argv.slice(2), process.env)
  if (options === 'help') process.stdout.write(`${START_USAGE}\n`)
  else await start(options)
} catch (error) {
  if (!(error instanceof StartRefused)) throw error
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 2
}

async function start(options: StartOptions): Promise<void> {
  mkdirSync(`${root}.steadycast`, { recursive: true })
  requireOnlyStart(`${root}.steadycast/start.pid`)
  await requireFree(options.port)
  const logFile = createWriteStream(`${root}.steadycast/functions.log`)
  const starting = startLocalCloud({
    ...options,
    source: root,
    environment: process.env,
    onPart: (part, where) => process.stdout.write(`${part.padEnd(20)} ${where}\n`),
    onLine: (line) => logFile.write(`${line}\n`),
  })
  let stops = false
  stopOnSignals(async () => {
    stops = true
    const cloud = await starting.catch(() => undefined)
    await cloud?.stop()
  })
  try {
    const cloud = await starting
    if (!stops) process.stdout.write(`${'logs'.padEnd(20)} .steadycast/functions.log\nready ${cloud.origin}\n`)
  } catch (error) {
    // What is interrupted half-way does not come up, and that is what was asked for.
    if (!stops) throw error
  }
}
