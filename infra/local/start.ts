import { createWriteStream, existsSync, mkdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

import { runCommandLine } from '../command-line.ts'
import { startLocalCloud } from './local-cloud.ts'
import { requireOnlyStart } from './one-start.ts'
import { untilStopped } from './signals.ts'
import { readStartOptions, requireFirestore, requireFree, START_USAGE } from './start-options.ts'

/** `npm start`: the local cloud and every function, until SIGINT or SIGTERM. */
const root = fileURLToPath(new URL('../../', import.meta.url))

await runCommandLine(START_USAGE, async () => {
  if (existsSync(`${root}.env`)) process.loadEnvFile(`${root}.env`)
  await start(readStartOptions(process.argv.slice(2), process.env))
})

async function start({ keeps, ...options }: ReturnType<typeof readStartOptions>): Promise<void> {
  mkdirSync(`${root}.steadycast`, { recursive: true })
  requireOnlyStart(`${root}.steadycast/`, 'start')
  await requireFree(options.port)
  await requireFirestore(options.firestore)
  const logFile = createWriteStream(`${root}.steadycast/functions.log`)
  const starting = startLocalCloud({
    ...options,
    source: root,
    ...(keeps && { keep: `${root}.steadycast/kept` }),
    environment: process.env,
    onPart: (part, where) => process.stdout.write(`${part.padEnd(20)} ${where}\n`),
    onLine: (line) => logFile.write(`${line}\n`),
  })
  const stop = async () => (await starting.catch(() => undefined))?.stop()
  await untilStopped(stop, async (isStopped) => {
    const cloud = await starting
    if (isStopped()) return
    const keeping = keeps
      ? '.steadycast/kept, for the next npm start -- --keep'
      : 'nothing: all that is stored is gone when it stops (npm start -- --keep keeps it)'
    process.stdout.write(`${'kept'.padEnd(20)} ${keeping}\n`)
    process.stdout.write(`${'logs'.padEnd(20)} .steadycast/functions.log\nready ${cloud.origin}\n`)
  })
}
