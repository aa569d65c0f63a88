import { spawn } from 'node:child_process'
import type { ChildProcess, SpawnOptions } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { connect, createServer } from 'node:net'
import type { AddressInfo, NetConnectOpts } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import { tether } from '../../../shared/resilience/tether.ts'
import { PROVIDER_KEYS } from '../provider-keys.ts'

export const FRAMEWORK = join(
  dirname(createRequire(import.meta.url).resolve('@google-cloud/functions-framework')),
  'main.js',
)
const BEHIND_GATEWAY = new URL('../../../infra/local/functions/behind-gateway.ts', import.meta.url).href
const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const EDGE_FUNCTIONS = fileURLToPath(new URL('./edge-functions.ts', import.meta.url))
/** Less than hooks of tests may take, so that it is this that is told. */
const START_TIMEOUT_MS = 110_000

/** Every required variable, with values that lead nowhere; and no store, so nobody's calls are counted. */
const ENVIRONMENT = {
  GOOGLE_CLOUD_PROJECT: 'demo-edge',
  STORAGE_BUCKET: 'bucket',
  DEFAULT_PLAN: 'unlimited',
  FUNCTIONS_BASE_URL: 'http://functions.test',
  ...PROVIDER_KEYS,
  GEMINI_API_KEY: 'gemini-key-that-nobody-may-see',
}

export type EdgeProcess = {
  /** Where it listens; without meaning when it listens on a socket. */
  port: number
  origin: string
  child: ChildProcess
  lines: string[]
  exited: Promise<number | null>
  /** Memory that is really in use, in bytes. */
  rssBytes: () => number
  /** Lets handlers that hold their request go on. */
  release: () => void
  stop: () => Promise<void>
}

export type EdgeProcessOptions = {
  source?: string
  target?: string
  environment?: Record<string, string>
  /** Listens there, with what the local cloud preloads, instead of on a port. */
  socketPath?: string
  /** What becomes of its lines: kept for the test, read and forgotten, or left in their pipe. */
  output?: 'kept' | 'forgotten' | 'unread'
}

/** functions-framework serving a package of functions, by default those of edge-functions.ts, in a process of its own. */
export async function startEdgeProcess(options: EdgeProcessOptions = {}): Promise<EdgeProcess> {
  const { socketPath } = options
  const port = socketPath === undefined ? await freePort() : 0
  const preload = socketPath === undefined ? [] : ['--import', BEHIND_GATEWAY]
  const spawnOptions: SpawnOptions = {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'],
      NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
      NODE_ENV: 'production',
      METADATA_SERVER_DETECTION: 'none',
      ...ENVIRONMENT,
      ...options.environment,
      PORT: socketPath ?? String(port),
      FUNCTION_TARGET: options.target ?? 'edge',
      FUNCTION_SOURCE: options.source ?? EDGE_FUNCTIONS,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  }
  const child = tether(() => spawn(process.execPath, [...preload, FRAMEWORK], spawnOptions))
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('a process without pipes')
  const lines: string[] = []
  const { output = 'kept' } = options
  if (output === 'kept') createInterface(stdout).on('line', (line) => lines.push(line))
  if (output === 'forgotten') stdout.resume()
  createInterface(stderr).on('line', (line) => lines.push(line))
  const exited = new Promise<number | null>((resolve) => child.once('close', resolve))
  await Promise.race([
    listening(socketPath === undefined ? { port, host: '127.0.0.1' } : { path: socketPath }),
    exited.then((code) => {
      throw new Error(`the function process ended (${code}): ${lines.join('\n')}`)
    }),
  ])
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    child,
    lines,
    exited,
    rssBytes: () => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    release: () => void child.send('release'),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL')
      await exited
    },
  }
}

/** A port of this machine that nobody uses. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

async function listening(where: NetConnectOpts): Promise<void> {
  const untilMs = Date.now() + START_TIMEOUT_MS
  while (Date.now() < untilMs) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = connect(where, () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (open) return
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  throw new Error('the function process did not start to listen')
}
