import { createHash } from 'node:crypto'
import { execFile, fork } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

import type { WasmJob, WasmResult } from './wasm-child.ts'

const RUN_TIMEOUT_MS = 600_000
const OUTPUT_BYTES_MAX = 64 * 1024 * 1024

const RESULTS_KEPT = 12
const results = new Map<string, Promise<WasmResult>>()

export type FfmpegRun = { exitCode: number; stderr: string; outputs: Record<string, Uint8Array> }

/** Which ffmpeg runs here, or `wasm`: FFMPEG_PATH, then the one on PATH, then WebAssembly out of a package. */
function ffmpegProgram(): string {
  const configured = process.env['FFMPEG_PATH']?.trim()
  if (configured) return configured
  const executable = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg'
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, executable))
  return onPath.find(isExecutable) ?? 'wasm'
}

/** Runs ffmpeg over files that exist only for this run, under names of ours: no text of a user becomes an argument. */
export async function runFfmpeg(
  args: string[],
  inputs: Record<string, Uint8Array>,
  outputs: string[],
): Promise<FfmpegRun> {
  const program = ffmpegProgram()
  return program === 'wasm'
    ? runWasm({ program: 'ffmpeg', args, inputs, outputs })
    : runNative(program, args, inputs, outputs)
}

/** Runs a WebAssembly program in a process of its own. */
export function runWasm(job: WasmJob): Promise<WasmResult> {
  return remembered(job, () => spawnWasm(job))
}

/** A job whose whole input is the same has the same result: the latest are kept, because a run costs seconds. */
function remembered(job: WasmJob, run: () => Promise<WasmResult>): Promise<WasmResult> {
  const { args, outputs, ...rest } = job
  const hash = createHash('sha256').update(JSON.stringify([job.program, args, outputs]))
  for (const [name, data] of Object.entries('inputs' in rest ? rest.inputs : {})) hash.update(name).update(data)
  const key = hash.digest('hex')
  const result = results.get(key) ?? run()
  results.delete(key)
  results.set(key, result)
  result.catch(() => results.delete(key))
  const [oldest] = results.keys()
  if (results.size > RESULTS_KEPT && oldest !== undefined) results.delete(oldest)
  return result
}

function spawnWasm(job: WasmJob): Promise<WasmResult> {
  const child = fork(new URL('./wasm-child.ts', import.meta.url), {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), RUN_TIMEOUT_MS)
    child.once('message', (result: WasmResult) => resolve(result))
    child.once('error', reject)
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`${job.program} ended early (${code})`))
    })
    child.send(job)
  })
}

async function runNative(
  program: string,
  args: string[],
  inputs: Record<string, Uint8Array>,
  outputs: string[],
): Promise<FfmpegRun> {
  const folder = await mkdtemp(join(tmpdir(), `steadycast-${process.pid}-audio-`))
  try {
    for (const [name, data] of Object.entries(inputs)) await writeFile(join(folder, name), data)
    const { exitCode, stderr } = await new Promise<{ exitCode: number; stderr: string }>((resolve) => {
      const options = { cwd: folder, timeout: RUN_TIMEOUT_MS, maxBuffer: OUTPUT_BYTES_MAX }
      execFile(program, ['-hide_banner', '-nostdin', '-y', ...args], options, (error, _stdout, log) =>
        resolve({ exitCode: error === null ? 0 : 1, stderr: error === null || log !== '' ? log : error.message }),
      )
    })
    const read = exitCode === 0 ? outputs : []
    const files = await Promise.all(read.map(async (name) => [name, await readFile(join(folder, name))] as const))
    return { exitCode, stderr, outputs: Object.fromEntries(files) }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
