import { PassThrough, Readable } from 'node:stream'
import type { Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import { SourceFailed } from '../podcast/errors.ts'
import type { StorageCaller } from '../podcast/storage.ts'
import { withDeadline } from '../resilience/deadline.ts'
import { endingRequests } from './own-requests.ts'
import { watchTransfer } from './transfer-watch.ts'
import type { TransferLimits } from './transfer-watch.ts'

/* Calls of the storage client that end: in bounded time, or when their caller does, their connections with them. */

/** So much of what is in memory is sent at a time, so that one can see it go. */
const PART_BYTES = 64 * 1024

/** Where a call goes, and how long it may take. */
type Bounds<Limits> = { readonly host: string; readonly limits: Limits }

/**
 * A call of one answer.
 * @throws DeadlineError after `limits` ms; the signal's reason
 */
export async function askInTime<T>(
  what: string,
  work: () => Promise<T>,
  signal: AbortSignal,
  { host, limits: timeoutMs }: Bounds<number>,
): Promise<T> {
  signal.throwIfAborted()
  const over = new AbortController()
  let stopListening = () => {}
  const ended = new Promise<never>((_resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error)
    signal.addEventListener('abort', onAbort, { once: true })
    stopListening = () => signal.removeEventListener('abort', onAbort)
  })
  try {
    const asked = endingRequests(host, over.signal, work)
    asked.catch(() => undefined)
    return await withDeadline(`Storage ${what}`, timeoutMs, Promise.race([asked, ended]))
  } catch (error) {
    over.abort(error)
    throw error
  } finally {
    stopListening()
  }
}

/**
 * Sends a content to storage.
 * @param open makes the client's stream
 * @throws SourceFailed when it was the source that failed; DeadlineError; the signal's reason
 */
export async function sendInTime(
  content: Readable | Buffer | string,
  open: () => Writable,
  { signal, onProgress }: StorageCaller,
  { host, limits }: Bounds<TransferLimits>,
): Promise<void> {
  const source = content instanceof Readable ? content : Readable.from(partsOf(content), { objectMode: false })
  const over = new AbortController()
  let [sent, isWhole, first] = [0, false, undefined as 'source' | 'storage' | undefined]
  // One that has failed before anybody listened says so no more.
  if (source.errored !== null) first = 'source'
  source.once('error', () => (first ??= 'source'))
  async function* count(chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      yield chunk
      sent += chunk.length
    }
    isWhole = true
  }
  let sink: Writable | undefined
  const look = () => ({ movedBytes: sent, waitsForStorage: isWhole || sink?.writableNeedDrain === true })
  const watch = watchTransfer('write', look, limits, onProgress)
  const ends = AbortSignal.any([watch.signal, ...(signal ? [signal] : [])])
  try {
    await endingRequests(host, over.signal, () => {
      sink = open()
      sink.once('error', () => (first ??= 'storage'))
      return pipeline(source, count, sink, { signal: ends })
    })
  } catch (error) {
    over.abort(error)
    if (ends.aborted) throw ends.reason
    throw first === 'source' ? new SourceFailed(error) : error
  } finally {
    watch.end()
  }
}

function* partsOf(content: Buffer | string): Generator<Buffer> {
  const bytes = Buffer.from(content as string)
  for (let from = 0; from < bytes.length; from += PART_BYTES) yield bytes.subarray(from, from + PART_BYTES)
}

/**
 * Reads from storage no faster than it is read.
 * @param open makes the client's stream
 * @param explain says what an error of storage is, to whoever reads
 */
export function readInTime(
  open: () => Readable,
  explain: (error: unknown) => unknown,
  { signal, onProgress }: StorageCaller,
  { host, limits }: Bounds<TransferLimits>,
): Readable {
  const over = new AbortController()
  return endingRequests(host, over.signal, () => {
    const source = open()
    const reading = new PassThrough()
    let received = 0
    const look = () => ({ movedBytes: received, waitsForStorage: !source.readableEnded && !reading.writableNeedDrain })
    const watch = watchTransfer('read', look, limits, onProgress)
    const fail = (error: unknown) => void reading.destroy(error as Error)
    const onAbort = () => fail(signal?.reason)
    source.on('data', (chunk: Buffer) => (received += chunk.length))
    source.on('error', (error) => fail(explain(error)))
    watch.signal.addEventListener('abort', () => fail(explain(watch.signal.reason)), { once: true })
    signal?.addEventListener('abort', onAbort, { once: true })
    reading.once('close', () => {
      watch.end()
      signal?.removeEventListener('abort', onAbort)
      if (reading.readableEnded) return
      source.destroy()
      over.abort()
    })
    if (signal?.aborted) onAbort()
    return source.pipe(reading)
  })
}
