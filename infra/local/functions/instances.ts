import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'

import { entryPoint, FUNCTIONS } from '../../../functions/functions.ts'
import { HttpError } from '../../../shared/http/http-error.ts'
import { holdBack, tether } from '../../../shared/resilience/tether.ts'
import { Connections } from './connections.ts'

export type Instance = {
  name: string
  process: ChildProcess
  socketPath: string
  connections: Connections
  /** Resolves when it listens; rejects when it ended before, or took too long and is ended. */
  ready: Promise<void>
}

export type InstancesOptions = {
  /** Folder with the package whose `main` is the functions' entry. */
  source: string
  /** Folder for the sockets the instances listen on: they are reachable from this machine's file system only. */
  socketFolder: string
  environmentOf: (name: string) => Record<string, string>
  /** Processes of each function at most; requests are spread over them. */
  instancesPerFunction: number
  /** How long one may take until it listens, 30 s by default. */
  startTimeoutMs?: number
  /** @param pid of the process that said it */
  onLine: (line: string, pid: number | undefined) => void
}

const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 2_000
const CONNECT_EVERY_MS = 15

const frameworkMain = join(
  dirname(createRequire(import.meta.url).resolve('@google-cloud/functions-framework')),
  'main.js',
)
const preload = new URL('./behind-gateway.ts', import.meta.url).href

/** The functions as processes of functions-framework, spawned at the first call to each. */
export class Instances {
  readonly #options: InstancesOptions
  readonly #slots = new Map<string, (Instance | undefined)[]>()
  readonly #turn = new Map<string, number>()
  #spawned = 0
  #stopping = false

  constructor(options: InstancesOptions) {
    this.#options = options
  }

  /**
   * The instance whose turn it is, started and listening.
   * @throws Error when it did not start; the next call starts another
   */
  async next(name: string): Promise<Instance> {
    const turn = this.#turn.get(name) ?? 0
    this.#turn.set(name, turn + 1)
    const slots = this.#slots.get(name) ?? []
    this.#slots.set(name, slots)
    const slot = turn % this.#options.instancesPerFunction
    const instance = (slots[slot] ??= this.#spawn(name, slot))
    await instance.ready
    return instance
  }

  /** All live processes. */
  live(): Instance[] {
    return [...this.#slots.values()].flat().filter((instance) => instance !== undefined)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.live().map(({ process }) => endProcess(process, STOP_TIMEOUT_MS)))
  }

  #spawn(name: string, slot: number): Instance {
    if (this.#stopping)
      throw new HttpError('service_unavailable', { technical: 'The local cloud is stopping', retryAfterSeconds: 1 })
    const { source, socketFolder, environmentOf, startTimeoutMs = START_TIMEOUT_MS, onLine } = this.#options
    const socketPath = join(socketFolder, `${this.#spawned++}.sock`)
    const row = Object.entries(FUNCTIONS).find(([known]) => known === name)?.[1]
    const env = {
      ...environmentOf(name),
      PORT: socketPath,
      FUNCTION_TARGET: entryPoint(name).path,
      FUNCTION_SOURCE: source,
      CLOUD_RUN_TIMEOUT_SECONDS: String(row?.timeoutSeconds ?? 60),
    }
    const child = tether(() =>
      spawn(...holdBack(process.execPath, ['--import', preload, frameworkMain]), {
        cwd: source,
        env,
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    )
    for (const stream of [child.stdout, child.stderr])
      createInterface(stream).on('line', (line) => onLine(line, child.pid))
    const ended = new AbortController()
    child.once('error', (cause) => ended.abort(new Error(`${name} could not be started`, { cause })))
    child.once('exit', (code, signal) => ended.abort(new Error(`${name} ended (${signal ?? code})`)))
    const leaveSlot = () => {
      const slots = this.#slots.get(name)
      if (slots?.[slot]?.process === child) slots[slot] = undefined
    }
    ended.signal.addEventListener('abort', leaveSlot)
    const ready = listening(socketPath, startTimeoutMs, ended.signal)
    ready.catch(() => {
      leaveSlot()
      child.kill('SIGKILL')
    })
    return { name, process: child, socketPath, connections: new Connections(), ready }
  }
}

/** Asks a process to end, and ends it when it does not. */
export async function endProcess(child: ChildProcess, timeoutMs: number): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  await new Promise<void>((resolve) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), timeoutMs)
    child.once('exit', () => {
      clearTimeout(timer)
      resolve()
    })
    child.kill('SIGTERM')
  })
}

/** @throws Error when nobody listens in time; the signal's reason */
async function listening(socketPath: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const startedAtMs = Date.now()
  while (Date.now() - startedAtMs < timeoutMs) {
    const connected = await new Promise<boolean>((resolve) => {
      const socket = connect(socketPath, () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    signal.throwIfAborted()
    if (connected) return
    await new Promise((resolve) => setTimeout(resolve, CONNECT_EVERY_MS))
  }
  throw new Error('the function did not start listening')
}
