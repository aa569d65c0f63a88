import { fstatSync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

/**
 * The child process that runs ffmpeg in WebAssembly: it blocks, and keeps what memory it took. Its files stay where they
 * are: reads and writes go through to the folder, so that a long recording is never held in memory.
 */
export type WasmCommand = {
  folder: string
  args: readonly string[]
  inputs: readonly string[]
  outputs: readonly string[]
}

type StreamOps = {
  read: (stream: unknown, buffer: Uint8Array, offset: number, length: number, position: number) => number
  write: (stream: unknown, buffer: Uint8Array, offset: number, length: number, position: number) => number
}
type Node = { usedBytes: number; stream_ops: StreamOps }
type FfmpegCore = {
  FS: { writeFile(name: string, data: Uint8Array): void; lookupPath(name: string): { node: Node } }
  exec(...args: string[]): number
  setLogger(logger: (line: { message: string }) => void): void
}

/** The end of the log is what matters: what was measured, or what went wrong. */
const LINES_KEPT = 400

process.once('message', (command: WasmCommand) => {
  run(command).then(answer, (error: unknown) => answer({ exitCode: 1, log: String(error) }))
})

function answer(result: { exitCode: number; log: string }): void {
  process.send?.(result, () => process.exit(0))
}

async function run({ folder, args, inputs, outputs }: WasmCommand): Promise<{ exitCode: number; log: string }> {
  const require = createRequire(import.meta.url)
  // The build looks for a browser's globals.
  Object.assign(globalThis, { self: globalThis, location: { href: 'file:///' } })
  const createCore = require('@ffmpeg/core') as (options: { wasmBinary: Buffer }) => Promise<FfmpegCore>
  const core = await createCore({ wasmBinary: readFileSync(require.resolve('@ffmpeg/core/wasm')) })
  const lines: string[] = []
  core.setLogger(({ message }) => {
    lines.push(message)
    if (lines.length > 2 * LINES_KEPT) lines.splice(0, LINES_KEPT)
  })
  for (const name of inputs) passThrough(core, name, openSync(join(folder, name), 'r'))
  for (const name of outputs) passThrough(core, name, openSync(join(folder, name), 'w+'))
  const exitCode = core.exec(...args)
  return { exitCode, log: lines.join('\n') }
}

/** Makes a file of ffmpeg's own file system stand for a real one. */
function passThrough({ FS }: FfmpegCore, name: string, file: number): void {
  FS.writeFile(name, new Uint8Array(0))
  const { node } = FS.lookupPath(name)
  node.usedBytes = fstatSync(file).size
  node.stream_ops = {
    ...node.stream_ops,
    read: (_stream, buffer, offset, length, position) =>
      readSync(file, buffer, offset, Math.min(length, Math.max(0, node.usedBytes - position)), position),
    write(_stream, buffer, offset, length, position) {
      const written = writeSync(file, buffer, offset, length, position)
      node.usedBytes = Math.max(node.usedBytes, position + written)
      return written
    },
  }
}
