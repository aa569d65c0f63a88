import { Worker } from 'node:worker_threads'

/** What work in a thread of its own may take before it is ended. */
export type ThreadLimits = { readonly timeMs: number; readonly memoryMiB: number; readonly signal: AbortSignal }

/** The work took more time or memory than it may, or ended without an answer. */
export class ThreadEnded extends Error {
  override readonly name = 'ThreadEnded'
}

/**
 * Has a module do its work in a thread of its own, so that nobody else in this process waits for it: the module gets
 * `input` as `workerData` and posts one message, which is the answer.
 * @throws ThreadEnded when it does not come to an answer within its limits; the signal's reason
 */
export function offThread<Answer>(module: URL, input: unknown, limits: ThreadLimits): Promise<Answer> {
  const { timeMs, memoryMiB, signal } = limits
  signal.throwIfAborted()
  const worker = new Worker(module, {
    workerData: input,
    resourceLimits: { maxOldGenerationSizeMb: memoryMiB },
    execArgv: ['--disable-warning=ExperimentalWarning'],
  })
  return new Promise<Answer>((resolve, reject) => {
    const tooLong = setTimeout(() => reject(new ThreadEnded(`no answer within ${timeMs} ms`)), timeMs)
    const abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    worker.once('message', resolve)
    worker.once('error', (cause) => reject(new ThreadEnded(`it failed: ${cause.message}`, { cause })))
    worker.once('exit', (code) => reject(new ThreadEnded(`it ended with ${code} before its answer`)))
    worker.once('exit', () => {
      clearTimeout(tooLong)
      signal.removeEventListener('abort', abort)
    })
  }).finally(() => worker.terminate())
}
