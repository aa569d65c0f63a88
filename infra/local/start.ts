import { createWriteStream, existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

import { startLocalCloud } from './local-cloud.ts'
import { stopOnSignals } from './signals.ts'

/** `npm start`: the local cloud and every function, until SIGINT or SIGTERM. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const { values } = parseArgs({ options: { firestore: { type: 'string' } } })
if (existsSync(`${root}.env`)) process.loadEnvFile(`${root}.env`)

mkdirSync(`${root}.steadycast`, { recursive: true })
const logFile = createWriteStream(`${root}.steadycast/functions.log`)
const starting = startLocalCloud({
  port: Number(process.env['PORT'] ?? 8080),
  source: root,
  instancesPerFunction: Number(process.env['INSTANCES'] ?? 1),
  firestore: values.firestore ?? process.env['FIRESTORE_EMULATOR_HOST'] ?? 'embedded',
  environment: process.env,
  schedules: process.env['LOCAL_SCHEDULES'] === 'off' ? 'off' : 'on',
  onPart: (part, where) => process.stdout.write(`${part.padEnd(20)} ${where}\n`),
  onLine: (line) => logFile.write(`${line}\n`),
})
stopOnSignals(async () => {
  const cloud = await starting.catch(() => undefined)
  await cloud?.stop()
})
const cloud = await starting
process.stdout.write(`${'logs'.padEnd(20)} .steadycast/functions.log\nready ${cloud.origin}\n`)
