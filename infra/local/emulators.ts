import { createWriteStream, existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { FUNCTIONS } from '../../functions/functions.ts'
import { buildDist } from '../build/build.ts'
import { runCommandLine } from '../command-line.ts'
import { startFunctionsEmulator } from './functions/emulator.ts'
import { LOCAL_PROJECT, LOCAL_REGION, startLocalCloud } from './local-cloud.ts'
import { requireOnlyStart } from './one-start.ts'
import { untilStopped } from './signals.ts'
import { readEmulatorOptions, requireFirestore, requireFree } from './start-options.ts'
import type { StartOptions } from './start-options.ts'

/** `npm run emulators`: the local cloud, with the compiled functions served by the Firebase Functions emulator. */
const root = fileURLToPath(new URL('../../', import.meta.url))
/** As firebase.json has them. */
const EMULATOR_PORT = 5001
const OTHER_PORTS = [4400, 4500]
const EMULATOR_ORIGIN = `http://127.0.0.1:${EMULATOR_PORT}`

const USAGE = `Usage: npm run emulators [-- --firestore=official]
Starts the local cloud, and the compiled functions in the Firebase Functions emulator on ${EMULATOR_ORIGIN}.
Settings come from the environment and from .env:
  PORT                       where tokens and faults are had, 8080 if not set; 0: any free port
  LOCAL_SCHEDULES            off: nothing is swept unless it is asked for
  FIRESTORE_EMULATOR_HOST    host:port of a Firestore emulator that runs already`

await runCommandLine(USAGE, async () => {
  if (existsSync(`${root}.env`)) process.loadEnvFile(`${root}.env`)
  const options = readEmulatorOptions(process.argv.slice(2), process.env)
  mkdirSync(`${root}.steadycast`, { recursive: true })
  requireOnlyStart(`${root}.steadycast/`, 'run emulators')
  await requireFree(options.port)
  await requireFirestore(options.firestore)
  for (const port of [EMULATOR_PORT, ...OTHER_PORTS])
    await requireFree(port, 'The Functions emulator', 'It needs that port: see firebase.json.')
  await start(options)
})

async function start({ port, schedules, firestore }: StartOptions): Promise<void> {
  const logFile = createWriteStream(`${root}.steadycast/emulators.log`)
  const closers: (() => Promise<void>)[] = []
  const stop = async () => {
    for (const close of closers.splice(0).toReversed()) await close()
  }
  await untilStopped(stop, async () => {
    await buildDist(LOCAL_REGION)
    const cloud = await startLocalCloud({
      port,
      source: undefined,
      functionsBaseUrl: `${EMULATOR_ORIGIN}/${LOCAL_PROJECT}/${LOCAL_REGION}`,
      environment: process.env,
      firestore,
      schedules,
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
  })
}
