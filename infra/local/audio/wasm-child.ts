import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'

/** A child process that runs one WebAssembly program and ends: they block, and keep what memory they took. */
export type WasmJob =
  | { program: 'ffmpeg'; args: string[]; inputs: Record<string, Uint8Array>; outputs: string[] }
  | { program: 'espeak'; args: string[]; outputs: string[] }
export type WasmResult = { exitCode: number; stderr: string; outputs: Record<string, Uint8Array> }

type EmscriptenFiles = { writeFile(name: string, data: Uint8Array): void; readFile(name: string): Uint8Array }
type FfmpegCore = {
  FS: EmscriptenFiles
  exec(...args: string[]): number
  setLogger(logger: (line: { message: string }) => void): void
}

process.once('message', (job: WasmJob) => {
  run(job).then(
    (result) => process.send?.(result, () => process.exit(0)),
    (error: unknown) => {
      process.send?.({ exitCode: 1, stderr: String(error), outputs: {} }, () => process.exit(0))
    },
  )
})

async function run(job: WasmJob): Promise<WasmResult> {
  return job.program === 'ffmpeg' ? ffmpeg(job) : espeak(job)
}

async function ffmpeg({ args, inputs, outputs }: Extract<WasmJob, { program: 'ffmpeg' }>): Promise<WasmResult> {
  const require = createRequire(import.meta.url)
  // The build looks for a browser's globals.
  Object.assign(globalThis, { self: globalThis, location: { href: 'file:///' } })
  const createCore = require('@ffmpeg/core') as (options: { wasmBinary: Buffer }) => Promise<FfmpegCore>
  const core = await createCore({ wasmBinary: readFileSync(require.resolve('@ffmpeg/core/wasm')) })
  const lines: string[] = []
  core.setLogger(({ message }) => lines.push(message))
  for (const [name, data] of Object.entries(inputs)) core.FS.writeFile(name, data)
  const exitCode = core.exec('-hide_banner', '-nostdin', '-y', ...args)
  return { exitCode, stderr: lines.join('\n'), outputs: exitCode === 0 ? read(core.FS, outputs) : {} }
}

async function espeak({ args, outputs }: Extract<WasmJob, { program: 'espeak' }>): Promise<WasmResult> {
  const { default: createEspeak } = await import('espeak-ng')
  const lines: string[] = []
  const instance = await createEspeak({ arguments: args, printErr: (line: string) => lines.push(line) })
  return { exitCode: 0, stderr: lines.join('\n'), outputs: read(instance.FS, outputs) }
}

function read(files: EmscriptenFiles, names: readonly string[]): Record<string, Uint8Array> {
  return Object.fromEntries(names.map((name) => [name, files.readFile(name)]))
}
