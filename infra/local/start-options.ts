import { connect, createServer } from 'node:net'

import { loadConfiguration } from '../../shared/dependencies/config.ts'
import type { Configuration } from '../../shared/dependencies/config.ts'
import { CommandRefused, readWords } from '../command-line.ts'
import { findOfficialFirestore } from './firestore/official.ts'

export type StartOptions = {
  readonly port: number
  readonly instancesPerFunction: number
  readonly firestore: string
  readonly schedules: 'on' | 'off'
}

/** Whether what is stored outlives the start. */
type Keeping = { readonly keeps: boolean }

export const START_USAGE = `Usage: npm start [-- --keep] [-- --firestore=official]
Starts the local cloud and every function.
  --keep                     keeps all that is stored, queued or under way in .steadycast/kept, for the next start with --keep
Settings come from the environment and from .env:
  PORT                       where the functions are called, 8080 if not set; 0: any free port
  INSTANCES                  instances of each function, 1 if not set
  LOCAL_SCHEDULES            off: nothing is swept unless it is asked for
  FIRESTORE_EMULATOR_HOST    host:port of a Firestore emulator that runs already`

const PORT_DEFAULT = 8080
const INSTANCES_MAX = 50
const CONNECT_MS_MAX = 2000

type Environment = Readonly<Record<string, string | undefined>>
const FIRESTORE_OPTION = { firestore: { type: 'string' } } as const

/**
 * What is to be started, checked before anything is.
 * @throws CommandRefused naming what is wrong, and what was expected
 */
export function readStartOptions(words: readonly string[], environment: Environment): StartOptions & Keeping {
  const { keep = false, firestore } = readWords(words, { ...FIRESTORE_OPTION, keep: { type: 'boolean' } }).values
  const options = checkOptions(firestore, environment)
  if (keep && options.firestore !== 'embedded')
    throw new CommandRefused(
      '--keep: only the embedded Firestore is kept, which --firestore and FIRESTORE_EMULATOR_HOST replace',
    )
  return { ...options, keeps: keep }
}

/** The same for the emulators, which keep nothing. */
export function readEmulatorOptions(words: readonly string[], environment: Environment): StartOptions {
  return checkOptions(readWords(words, FIRESTORE_OPTION).values.firestore, environment)
}

function checkOptions(firestore: string | undefined, environment: Environment): StartOptions {
  const port = wholeNumber(environment, 'PORT', { from: 0, to: 65_535, unset: PORT_DEFAULT })
  const instancesPerFunction = wholeNumber(environment, 'INSTANCES', { from: 1, to: INSTANCES_MAX, unset: 1 })
  const schedules = environment['LOCAL_SCHEDULES'] ?? 'on'
  if (schedules !== 'on' && schedules !== 'off') throw new CommandRefused('LOCAL_SCHEDULES: expected on or off')
  checkFunctionSettings(environment)
  return { port, instancesPerFunction, schedules, firestore: chooseFirestore(firestore, environment) }
}

/**
 * Which Firestore is meant: `embedded`, `official`, or `host:port` of one that runs already.
 * @param asked what `--firestore` says; without it FIRESTORE_EMULATOR_HOST counts, unless it is empty
 * @throws CommandRefused when it is none of these
 */
export function chooseFirestore(asked: string | undefined, environment: Environment): string {
  const set = environment['FIRESTORE_EMULATOR_HOST']?.trim() ?? ''
  const where = asked ?? (set === '' ? 'embedded' : set)
  if (where === 'embedded' || where === 'official' || readAddress(where) !== undefined) return where
  if (asked === undefined)
    throw new CommandRefused(`FIRESTORE_EMULATOR_HOST: expected host:port, such as 127.0.0.1:8085, not ${where}`)
  throw new CommandRefused(`--firestore: expected embedded, official or host:port, not ${where || 'nothing'}`)
}

/**
 * Makes sure that the Firestore that is meant can be used, before anything starts.
 * @param firestore as `chooseFirestore` returns it
 * @throws CommandRefused when nobody answers there within two seconds, or when Google's emulator is not installed
 */
export async function requireFirestore(firestore: string): Promise<void> {
  if (firestore === 'official') {
    const found = await findOfficialFirestore()
    if ('missing' in found)
      throw new CommandRefused(`--firestore=official: Google's emulator cannot run here: ${found.missing}`)
  }
  const address = readAddress(firestore)
  if (address === undefined || (await answers(address))) return
  throw new CommandRefused(`No Firestore emulator answers at ${firestore} (FIRESTORE_EMULATOR_HOST or --firestore).`)
}

type Address = { readonly host: string; readonly port: number }

function readAddress(text: string): Address | undefined {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(text) ?? []
  const [host, port] = [bracketed ?? plain, Number(digits)]
  return host !== undefined && port >= 1 && port <= 65_535 ? { host, port } : undefined
}

/** Whether something takes connections there. */
function answers(address: Address): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ ...address, timeout: CONNECT_MS_MAX })
    const end = (isThere: boolean) => {
      socket.destroy()
      resolve(isThere)
    }
    socket.once('connect', () => end(true))
    socket.once('timeout', () => end(false))
    socket.once('error', () => end(false))
  })
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
  throw new CommandRefused(`${name}: expected a whole number from ${from} to ${to}`)
}

/** The settings of the functions. @throws CommandRefused for what every function would refuse to start with */
export function checkFunctionSettings(environment: Environment): Configuration {
  const here = { GOOGLE_CLOUD_PROJECT: 'local', STORAGE_BUCKET: 'local' }
  try {
    return loadConfiguration({ ...environment, ...here }, [])
  } catch (error) {
    throw new CommandRefused(error instanceof Error ? error.message : String(error), { cause: error })
  }
}

/**
 * @param what the setting that the port is from, or who listens there
 * @param advice how another is had
 * @throws CommandRefused when somebody listens there already
 */
export function requireFree(
  port: number,
  what = 'PORT',
  advice = 'Another can be set: PORT=8081 npm start',
): Promise<void> {
  return new Promise((resolve, reject) => {
    const probe = createServer()
    probe.once('error', ({ message }) =>
      reject(new CommandRefused(`${what}: ${port} cannot be listened on (${message}). ${advice}`)),
    )
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve()))
  })
}
