import { createWriteStream, existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { FUNCTIONS } from '../../functions/functions.ts'
import { buildDist } from '../build/build.ts'
import { startFunctionsEmulator } from './functions/emulator.ts'
import { LOCAL_PROJECT, LOCAL_REGION, startLocalCloud } from './local-cloud.ts'
import { stopOnSignals } from './signals.ts'

/** `npm run emulators`: the local cloud, with the compiled functions served by the Firebase Functions emulator. */
const root = fileURLToPath(new URL('../../', import.meta.url))
const EMULATOR_ORIGIN = 'http://127.0.0.1:5001'
if (existsSync(`${root}.env`)) process.loadEnvFile(`${root}.env`)

mkdirSync(`${root}.steadycast`, { recursive: true })
const logFile = createWriteStream(`${root}.steadycast/emulators.log`)
const closers: (() => Promise<void>)[] = []
stopOnSignals(async () => {
  for (const close of closers.splice(0).toReversed()) await close()
})

await buildDist(LOCAL_REGION)
const cloud = await startLocalCloud({
  port: Number(process.env['PORT'] ?? 8080),
  source: undefined,
  functionsBaseUrl: `${EMULATOR_ORIGIN}/${LOCAL_PROJECT}/${LOCAL_REGION}`,
  environment: process.env,
  schedules: process.env['LOCAL_SCHEDULES'] === 'off' ? 'off' : 'on',
  onPart: (part, where) => process.stdout.write(`${part.padEnd(20)} ${where}\n`),
})
closers.push(cloud.stop)
const emulator = await startFunctionsEmulator({
  configFile: `${root}firebase.json`,
  logFolder: `${root}.steadycast`,
  projectId: LOCAL_PROJECT,
  origin: EMULATOR_ORIGIN,
  functionsExpected: Object.keys(FUNCTIONS).length,
  environment: cloud.environment,
  onLine: (line) => logFile.write(`${line}\n`),
})
closers.push(emulator.stop)
process.stdout.write(`${'functions'.padEnd(20)} Firebase Functions emulator, logs in .steadycast/emulators.log\n`)
process.stdout.write(`ready ${cloud.functionsBaseUrl}\n`)
