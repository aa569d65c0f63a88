import { writeSync } from 'node:fs'

import { blockThread } from './blocking-wait/blocking-wait.ts'

const BATCH_BYTES_MAX = 64 * 1024
/** Beyond this much unwritten, writing waits for the reader instead of remembering more. */
const PENDING_BYTES_MAX = 4 * 1024 * 1024
const RETRY_MS = 5
const BLOCKED_MS_MAX = 3000

/** Writes what it can of the bytes and says how many it was. @throws like fs.writeSync, EAGAIN included */
type WriteSome = (bytes: Buffer, offset: number) => number

/**
 * Lines on their way to stdout. Those of one turn of the event loop leave together, in one synchronous write: a line
 * handed to a stream is lost when the process ends right after. A reader that is behind delays lines and loses none,
 * as long as it comes back within BLOCKED_MS_MAX of the moment when memory for them, or the process, is at its end.
 */
export class LineWriter {
  readonly #write: WriteSome
  readonly #block: (waitMs: number) => void
  #pending: Buffer[] = []
  #pendingBytes = 0
  #scheduled = false
  #dropped = 0

  /** @param block lets that much time pass before anything else happens */
  constructor(
    write: WriteSome = (bytes, offset) => writeSync(1, bytes, offset),
    block: (waitMs: number) => void = blockThread,
  ) {
    this.#write = write
    this.#block = block
  }

  /** Lines that no reader was there for. */
  get droppedLines(): number {
    return this.#dropped
  }

  add(line: string): void {
    const bytes = Buffer.from(`${line}\n`)
    this.#pending.push(bytes)
    this.#pendingBytes += bytes.length
    if (this.#pendingBytes > PENDING_BYTES_MAX) this.flushAndWait()
    else if (!this.#scheduled) {
      this.#scheduled = true
      setImmediate(() => this.#flushScheduled())
    }
  }

  /** Writes what the reader takes now. @returns whether everything is written */
  flush(): boolean {
    while (this.#pending.length > 0) {
      const batch = this.#takeBatch()
      let offset = 0
      try {
        while (offset < batch.length) offset += this.#write(batch, offset)
      } catch (error) {
        const rest = batch.subarray(offset)
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') return this.#abandon(rest)
        this.#pending.unshift(rest)
        this.#pendingBytes += rest.length
        return false
      }
    }
    return true
  }

  /** Writes everything, waiting for a reader that is behind; for the end of the process, or of memory. */
  flushAndWait(): void {
    for (let waitedMs = 0; !this.flush(); waitedMs += RETRY_MS) {
      if (waitedMs >= BLOCKED_MS_MAX) return void this.#abandon(Buffer.alloc(0))
      this.#block(RETRY_MS)
    }
  }

  #flushScheduled(): void {
    this.#scheduled = false
    if (this.flush()) return
    this.#scheduled = true
    setTimeout(() => this.#flushScheduled(), RETRY_MS)
  }

  #takeBatch(): Buffer {
    let bytes = 0
    let count = 0
    for (const { length } of this.#pending) {
      if (count > 0 && bytes + length > BATCH_BYTES_MAX) break
      bytes += length
      count++
    }
    const taken = this.#pending.splice(0, count)
    this.#pendingBytes -= bytes
    return taken.length === 1 && taken[0] !== undefined ? taken[0] : Buffer.concat(taken)
  }

  /** The reader is gone: nobody is left to tell. */
  #abandon(rest: Buffer): boolean {
    this.#dropped += this.#pending.length + (rest.length > 0 ? 1 : 0)
    this.#pending = []
    this.#pendingBytes = 0
    return true
  }
}
