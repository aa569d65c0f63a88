import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { createRequire } from 'node:module'
import { delimiter, extname, join, resolve as resolvePath } from 'node:path'

import { ChildEnded, inChild } from '../../resilience/in-child.ts'
import { holdBack, tether } from '../../resilience/tether.ts'
import type { WasmCommand } from './ffmpeg-wasm.ts'

const LOG_BYTES_MAX = 16 * 1024 * 1024
/** The most that ffmpeg may take at once: a recording may claim frames or tables of any size. */
const ALLOCATION_BYTES_MAX = 256 * 1024 * 1024

/**
 * One call of ffmpeg on files of a folder, all of which have names of ours: no text of a user becomes an argument. Inputs
 * come as `inputArgs` names them, so that ffmpeg opens nothing but them.
 */
export type FfmpegCommand = {
  folder: string
  args: readonly string[]
  inputs: readonly string[]
  outputs: readonly string[]
}
export type FfmpegResult = { exitCode: number; log: string }
export type FfmpegOptions = {
  /** What `ffmpegProgram` answered. */
  program: string
  signal: AbortSignal
}

/**
 * Which ffmpeg runs here: the configured one, else the one on PATH, else `wasm`, the build in WebAssembly that is part of
 * the package (@ffmpeg/core, GPL-2.0-or-later, in a process of its own), so that there always is one.
 * @throws Error when the configured one cannot be run, or the package is not there
 */
export function ffmpegProgram(configured: string | undefined): string {
  if (configured !== undefined) {
    if (isExecutable(configured)) return resolvePath(configured)
    throw new Error('FFMPEG_PATH: expected the path of a program that can be run')
  }
  const name = process.platform === 'win32' ? 'ffmpeg.exe' : 'ffmpeg'
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, name))
  const found = onPath.find(isExecutable)
  if (found !== undefined) return resolvePath(found)
  accessSync(createRequire(import.meta.url).resolve('@ffmpeg/core/wasm'), constants.R_OK)
  return 'wasm'
}

/** Runs ffmpeg until it ends, or ends it when the signal aborts. @throws the signal's reason */
export async function runFfmpeg(command: FfmpegCommand, { program, signal }: FfmpegOptions): Promise<FfmpegResult> {
  signal.throwIfAborted()
  const args = ['-hide_banner', '-nostdin', '-y', '-max_alloc', String(ALLOCATION_BYTES_MAX), ...command.args]
  const result =
    program === 'wasm' ? await runWasm({ ...command, args }, signal) : await runNative(program, command, args, signal)
  signal.throwIfAborted()
  return result
}

/** ffmpeg reads the files of strangers: the keys and addresses in our environment are not for it. */
const env = {}

function runNative(
  program: string,
  command: FfmpegCommand,
  args: string[],
  signal: AbortSignal,
): Promise<FfmpegResult> {
  return new Promise((resolve) => {
    const options = { cwd: command.folder, env, maxBuffer: LOG_BYTES_MAX, signal, killSignal: 'SIGKILL' } as const
    tether(() =>
      execFile(...holdBack(program, args), options, (error, _stdout, log) =>
        resolve({ exitCode: error === null ? 0 : 1, log: error === null || log !== '' ? log : error.message }),
      ),
    )
  })
}

/** Compiled, the child is a file beside this one's chunk; from source it is its neighbour. */
const CHILD = new URL(`./ffmpeg-wasm${extname(import.meta.url)}`, import.meta.url)

async function runWasm(command: WasmCommand, signal: AbortSignal): Promise<FfmpegResult> {
  try {
    return await inChild(CHILD, command, { signal })
  } catch (error) {
    if (!(error instanceof ChildEnded)) throw error
    return { exitCode: 1, log: error.message }
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
