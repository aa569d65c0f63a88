import { fork } from 'node:child_process'
import type { ForkOptions } from 'node:child_process'
import type { Writable } from 'node:stream'

import { watchResidentMemory } from './resident-memory.ts'
import { tether } from './tether.ts'

/**
 * What work in a process of its own may take before it is ended. `timeMs` passes while the process is waited for, and not
 * while its standard input is. `memoryMiB` is that of JavaScript's own objects; `residentMiB` is all that the process
 * has, buffers and its program included. That is looked at every 20 ms on Linux, and every 250 ms elsewhere.
 */
export type ChildLimits = {
  readonly signal: AbortSignal
  readonly timeMs?: number
  readonly memoryMiB?: number
  readonly residentMiB?: number
}

/** The work took more time or memory than it may, or ended without an answer. */
export class ChildEnded extends Error {
  override readonly name: string = 'ChildEnded'
}

/** There was no process that could take the work: that says nothing about the work. */
export class ChildNotStarted extends ChildEnded {
  override readonly name = 'ChildNotStarted'
}

/**
 * Has a module do its work in a process of its own, so that nobody else here waits for it: the module is sent `input` as
 * its first message, and the first that it sends is the answer. A thread would not do: one that runs out of memory can
 * take its process with it.
 * @param stdin what the module reads from its standard input, no faster than it takes it; left when the module answers
 * @throws ChildEnded when it does not come to an answer within its limits; the signal's reason; what reading `stdin` threw
 */
export function inChild<Answer>(
  module: URL,
  input: object,
  limits: ChildLimits,
  stdin?: AsyncIterable<Uint8Array>,
): Promise<Answer> {
  const { timeMs, memoryMiB, residentMiB, signal } = limits
  signal.throwIfAborted()
  const options: ForkOptions = {
    // The keys in ours are not for what works on the files of strangers.
    env: {},
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'ignore', 'ignore', 'ipc'],
    serialization: 'advanced',
    execArgv: ['--disable-warning=ExperimentalWarning', ...(memoryMiB === undefined ? [] : memoryFlags(memoryMiB))],
  }
  const child = tether(() => fork(module, options), { heldBack: false })
  return new Promise<Answer>((resolve, reject) => {
    const clock = new Clock(timeMs, () => reject(new ChildEnded(`no answer within ${timeMs} ms`)))
    const takesMore = () => reject(new ChildEnded(`it took more than ${residentMiB} MiB`))
    const watched = child.pid !== undefined && residentMiB !== undefined
    const endWatch = watched ? watchResidentMemory(child.pid, residentMiB, takesMore) : () => undefined
    const abort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    child.once('message', (answer) => resolve(answer as Answer))
    const leave = () => {
      clock.end()
      endWatch()
      signal.removeEventListener('abort', abort)
    }
    child.once('error', (cause) => {
      // Without a process there is no exit.
      if (child.pid === undefined) leave()
      reject(new ChildNotStarted(`it failed: ${cause.message}`, { cause }))
    })
    child.once('exit', (code, by) => {
      leave()
      const end = () => reject(new ChildEnded(`it ended before its answer (${by ?? code})`))
      // Its answer may still be on the way to us, and comes before the end of the channel.
      if (child.connected) child.once('disconnect', end)
      else end()
    })
    child.send(input, (error) => {
      if (error) reject(new ChildNotStarted(`it took no work: ${error.message}`, { cause: error }))
    })
    if (stdin && child.stdin) feed(stdin, child.stdin, clock).catch(reject)
  }).finally(() => child.kill('SIGKILL'))
}

/** New objects have three such spaces: by default 48 MiB of them are garbage before anything is cleared away. */
const SEMI_SPACE_SHARE = 1 / 16

function memoryFlags(memoryMiB: number): string[] {
  const semiSpaceMiB = Math.max(1, Math.round(memoryMiB * SEMI_SPACE_SHARE))
  return [`--max-old-space-size=${memoryMiB}`, `--max-semi-space-size=${semiSpaceMiB}`]
}

/** Writes until the end, or until nobody reads any more. @throws what reading throws */
async function feed(bytes: AsyncIterable<Uint8Array>, to: Writable, clock: Clock): Promise<void> {
  // Whoever has answered, or was ended, reads no further: that is no failure.
  to.on('error', () => undefined)
  const closed = new Promise((resolve) => to.once('close', resolve))
  clock.pause()
  try {
    for await (const chunk of bytes) {
      clock.run()
      if (!to.destroyed && !to.write(chunk))
        await Promise.race([closed, new Promise((resolve) => to.once('drain', resolve))])
      if (to.destroyed) return
      clock.pause()
    }
    to.end()
  } finally {
    clock.run()
  }
}

/** Time that passes only while it runs. */
class Clock {
  #leftMs: number
  readonly #ring: () => void
  #timer: NodeJS.Timeout | undefined
  #sinceMs = 0
  #isEnded = false

  constructor(timeMs: number | undefined, ring: () => void) {
    this.#leftMs = timeMs ?? Infinity
    this.#ring = ring
    this.run()
  }

  run(): void {
    if (this.#isEnded || this.#timer !== undefined || this.#leftMs === Infinity) return
    this.#sinceMs = performance.now()
    this.#timer = setTimeout(this.#ring, this.#leftMs)
  }

  pause(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#leftMs = Math.max(0, this.#leftMs - (performance.now() - this.#sinceMs))
  }

  end(): void {
    this.pause()
    this.#isEnded = true
  }
}
