import { spawn } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { inChild } from '../../../shared/resilience/in-child.ts'
import { holdBack, tether } from '../../../shared/resilience/tether.ts'
import { runFfmpeg } from '../../../shared/podcast/sound/ffmpeg.ts'

/** Starts what its argument names, none of which ends by itself, and waits to be killed. */
const folder = mkdtempSync(join(tmpdir(), 'steadycast-tethered-'))
const { signal } = new AbortController()
const endless = ['-f', 'lavfi', '-i', 'anullsrc', '-f', 'null', '-']

const KINDS: Record<string, () => unknown> = {
  // It reads the files of strangers, and listens to nobody.
  'native ffmpeg': () => {
    const program = join(folder, 'ffmpeg')
    writeFileSync(program, '#!/bin/sh\nexec sleep 600\n', { mode: 0o755 })
    return runFfmpeg({ folder, args: endless, inputs: [], outputs: [] }, { program, signal })
  },
  'ffmpeg in WebAssembly': () =>
    runFfmpeg({ folder, args: endless, inputs: [], outputs: [] }, { program: 'wasm', signal }),
  'a child that computes': () => {
    const module = join(folder, 'endless.mjs')
    writeFileSync(module, "process.once('message', () => { for (;;); })\n")
    return inChild(new URL(`file://${module}`), {}, { signal })
  },
  'a process group': () =>
    tether(
      () =>
        spawn(...holdBack('/bin/sh', ['-c', 'sleep 600 & sleep 600']), {
          detached: true,
          stdio: ['pipe', 'ignore', 'ignore'],
        }),
      { group: true },
    ),
}

for (const kind of process.argv.slice(2)) void KINDS[kind]?.()
process.stdout.write('started\n')
setInterval(() => undefined, 60_000)
