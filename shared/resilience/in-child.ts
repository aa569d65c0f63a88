import { fork } from 'node:child_process'
import type { ForkOptions } from 'node:child_process'

import { tether } from './tether.ts'

/** What work in a process of its own may take before it is ended; memory is that of JavaScript's own objects. */
export type ChildLimits = { readonly signal: AbortSignal; readonly timeMs?: number; readonly memoryMiB?: number }

/** The work took more time or memory than it may, or ended without an answer. */
export class ChildEnded extends Error {
  override readonly name = 'ChildEnded'
}

/**
 * Has a module do its work in a process of its own, so that nobody else here waits for it: the module is sent `input` as
 * its first message, and the first that it sends is the answer. A thread would not do: one that runs out of memory can
 * take its process with it.
 * @throws ChildEnded when it does not come to an answer within its limits; the signal's reason
 */
export function inChild<Answer>(module: URL, input: object, limits: ChildLimits): Promise<Answer> {
  const { timeMs, memoryMiB, signal } = limits
  signal.throwIfAborted()
  const options: ForkOptions = {
    // The keys in ours are not for what works on the files of strangers.
    env: {},
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    execArgv: [
      '--disable-warning=ExperimentalWarning',
      ...(memoryMiB === undefined ? [] : [`--max-old-space-size=${memoryMiB}`]),
    ],
  }
  const child = tether(() => fork(module, options))
  return new Promise<Answer>((resolve, reject) => {
    const tooLong = timeMs && setTimeout(() => reject(new ChildEnded(`no answer within ${timeMs} ms`)), timeMs)
    const abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    child.once('message', (answer) => resolve(answer as Answer))
    child.once('error', (cause) => reject(new ChildEnded(`it failed: ${cause.message}`, { cause })))
    child.once('exit', (code, by) => {
      clearTimeout(tooLong)
      signal.removeEventListener('abort', abort)
      reject(new ChildEnded(`it ended before its answer (${by ?? code})`))
    })
    child.send(input, (error) => {
      if (error) reject(new ChildEnded(`it took no work: ${error.message}`, { cause: error }))
    })
  }).finally(() => child.kill('SIGKILL'))
}
