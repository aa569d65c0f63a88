import { createServer } from 'node:net'
import { parseArgs } from 'node:util'

import { loadConfiguration } from '../../shared/dependencies/config.ts'

/** What cannot be started, in one line for whoever typed it. */
export class StartRefused extends Error {
  override readonly name = 'StartRefused'
}

export type StartOptions = {
  readonly port: number
  readonly instancesPerFunction: number
  readonly firestore: string
  readonly schedules: 'on' | 'off'
}

export const START_USAGE = `Usage: npm start [-- --firestore=official]
Starts the local cloud and every function. Settings come from the environment and from .env:
  PORT                       where the functions are called, 8080 if not set; 0: any free port
  INSTANCES                  instances of each function, 1 if not set
  LOCAL_SCHEDULES            off: nothing is swept unless it is asked for
  FIRESTORE_EMULATOR_HOST    host:port of a Firestore emulator that runs already`

const PORT_DEFAULT = 8080
const INSTANCES_MAX = 50

/**
 * What is to be started, checked before anything is.
 * @returns `help` when that is what was asked for
 * @throws StartRefused naming what is wrong, and what was expected
 */
export function readStartOptions(
  words: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): StartOptions | 'help' {
  const { help, firestore } = parseWords(words)
  if (help) return 'help'
  const port = wholeNumber(environment, 'PORT', { from: 0, to: 65_535, unset: PORT_DEFAULT })
  const instancesPerFunction = wholeNumber(environment, 'INSTANCES', { from: 1, to: INSTANCES_MAX, unset: 1 })
  const schedules = environment['LOCAL_SCHEDULES'] ?? 'on'
  if (schedules !== 'on' && schedules !== 'off') throw new StartRefused('LOCAL_SCHEDULES: expected on or off')
  checkFunctionSettings(environment)
  const where = firestore ?? environment['FIRESTORE_EMULATOR_HOST'] ?? 'embedded'
  return { port, instancesPerFunction, schedules, firestore: where }
}

function parseWords(words: readonly string[]): { help: boolean; firestore: string | undefined } {
  try {
    const options = { firestore: { type: 'string' }, help: { type: 'boolean' } } as const
    const { values } = parseArgs({ args: [...words], options })
    return { help: values.help ?? false, firestore: values.firestore }
  } catch (error) {
    throw new StartRefused(`${error instanceof Error ? error.message : String(error)}\n${START_USAGE}`, {
      cause: error,
    })
  }
}

function wholeNumber(
  environment: Readonly<Record<string, string | undefined>>,
  name: string,
  { from, to, unset }: { readonly from: number; readonly to: number; readonly unset: number },
): number {
  const text = environment[name]?.trim() ?? ''
  if (text === '') return unset
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN
  if (value >= from && value <= to) return value
  throw new StartRefused(`${name}: expected a whole number from ${from} to ${to}`)
}

/** What every function would refuse to start with. */
function checkFunctionSettings(environment: Readonly<Record<string, string | undefined>>): void {
  const here = { GOOGLE_CLOUD_PROJECT: 'local', STORAGE_BUCKET: 'local' }
  try {
    loadConfiguration({ ...environment, ...here }, [])
  } catch (error) {
    throw new StartRefused(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/** @throws StartRefused when somebody listens there already */
export function requireFree(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', ({ message }) =>
      reject(
        new StartRefused(`PORT: ${port} cannot be listened on (${message}). Another can be set: PORT=8081 npm start`),
      ),
    )
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()))
  })
}
