import { fork } from 'node:child_process'

import type { SpeechJob } from './speech-child.ts'

const RUN_TIMEOUT_MS = 60_000

/** Runs eSpeak NG in a process of its own. @returns what it wrote to `output`, a wav */
export function speak(job: SpeechJob): Promise<Uint8Array> {
  const child = fork(new URL('./speech-child.ts', import.meta.url), {
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    execArgv: [],
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), RUN_TIMEOUT_MS)
    child.once('message', (wav: Uint8Array) => resolve(wav))
    child.once('error', reject)
    child.once('exit', (code) => {
      clearTimeout(timer)
      reject(new Error(`the speaker ended early (${code})`))
    })
    child.send(job)
  })
}
