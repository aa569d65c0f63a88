import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

import { holdBack, tether } from '../../../shared/resilience/tether.ts'

export type EmulatorOptions = {
  /** Path of firebase.json, and the folder that the emulator's own logs go to. */
  configFile: string
  logFolder: string
  projectId: string
  /** Origin the emulator serves on, as firebase.json says. */
  origin: string
  /** How many functions must have been discovered. */
  functionsExpected: number
  environment: Record<string, string>
  onLine: (line: string) => void
}

const START_TIMEOUT_MS = 90_000
const STOP_TIMEOUT_MS = 4_000

/** The Firebase Functions emulator, in a process group of its own so that its workers never outlive it. */
export async function startFunctionsEmulator(options: EmulatorOptions): Promise<{ stop: () => Promise<void> }> {
  const cli = join(
    dirname(createRequire(import.meta.url).resolve('firebase-tools/package.json')),
    'lib/bin/firebase.js',
  )
  const args = [
    'emulators:start',
    '--only',
    'functions',
    '--project',
    options.projectId,
    '--config',
    options.configFile,
    '--non-interactive',
  ]
  const child = tether(
    () =>
      spawn(...holdBack(process.execPath, [cli, ...args]), {
        cwd: options.logFolder,
        env: options.environment,
        detached: true,
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    { group: true },
  )
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', options.onLine)
  let ended = false
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      ended = true
      resolve()
    })
  })
  const signalGroup = (signal: NodeJS.Signals) => {
    try {
      process.kill(-(child.pid ?? 0), signal)
    } catch {
      // The group is gone already.
    }
  }
  const stop = async () => {
    if (!ended) child.kill('SIGINT')
    const late = new Promise<void>((resolve) => setTimeout(resolve, STOP_TIMEOUT_MS).unref())
    await Promise.race([exited, late])
    signalGroup('SIGKILL')
  }
  try {
    await awaitDiscovery(options, () => ended)
  } catch (error) {
    await stop()
    throw error
  }
  return { stop }
}

/** A failed discovery still says "All emulators ready": only the list of what it found tells. */
async function awaitDiscovery({ origin, functionsExpected }: EmulatorOptions, ended: () => boolean): Promise<void> {
  const startedAtMs = Date.now()
  let found = 0
  while (Date.now() - startedAtMs < START_TIMEOUT_MS && !ended()) {
    const answer = await fetch(`${origin}/backends`).catch(() => undefined)
    if (answer?.ok) {
      const { backends } = (await answer.json()) as { backends: { functionTriggers: unknown[] }[] }
      found = backends.reduce((sum, { functionTriggers }) => sum + functionTriggers.length, 0)
      if (found >= functionsExpected) return
    }
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  throw new Error(`the Functions emulator discovered ${found} of ${functionsExpected} functions`)
}
