import { DeadlineError } from '../resilience/deadline.ts'

/** How long a transfer may take. Only time in which storage is waited for counts, and not what the other side takes. */
export type TransferLimits = {
  /** So long no byte may move, and no answer come, in ms. */
  readonly idleMs: number
  /** What a transfer of any size may take, in ms. */
  readonly leastMs: number
  /** What is larger may take as much longer as its bytes take at this pace: a total limit in relation to the size. */
  readonly bytesPerSecondMin: number
}

/** How long storage may take for each of its calls. */
export type StorageLimits = {
  /** For a call of one answer, such as an object's size, in ms: all of it, and so idle. */
  readonly controlMs: number
  readonly transfer: TransferLimits
}

export const STORAGE_LIMITS: StorageLimits = {
  controlMs: 10_000,
  // A recording of 100 MB may take 7 minutes, show notes half a minute.
  transfer: { idleMs: 12_000, leastMs: 30_000, bytesPerSecondMin: 256 * 1024 },
}

/** What a transfer has come to. */
export type TransferState = {
  readonly movedBytes: number
  /** Storage has something to take, to send or to answer; otherwise whoever sends to it or reads from it is waited for. */
  readonly waitsForStorage: boolean
}

/** Looks in an idle limit: a process that was frozen, or busy, looks a few times more before it gives anything up. */
const LOOKS = 8

/**
 * Watches one transfer.
 * @param look asked again and again
 * @param onMoved called whenever bytes have moved since the last look
 * @returns a signal that aborts with a DeadlineError when a limit is passed, and what ends the watch
 */
export function watchTransfer(
  what: string,
  look: () => TransferState,
  { idleMs, leastMs, bytesPerSecondMin }: TransferLimits,
  onMoved: () => void = () => undefined,
): { readonly signal: AbortSignal; readonly end: () => void } {
  const tooLong = new AbortController()
  const periodMs = idleMs / LOOKS
  let [movedBytes, quietMs, waitedMs] = [0, 0, 0]
  const timer = setInterval(() => {
    const now = look()
    const hasMoved = now.movedBytes > movedBytes
    movedBytes = now.movedBytes
    if (hasMoved) onMoved()
    quietMs = hasMoved || !now.waitsForStorage ? 0 : quietMs + periodMs
    if (now.waitsForStorage) waitedMs += periodMs
    const totalMs = leastMs + (movedBytes / bytesPerSecondMin) * 1000
    if (quietMs >= idleMs) tooLong.abort(new DeadlineError(`Storage ${what}: nothing moved for ${idleMs} ms`))
    else if (waitedMs > totalMs)
      tooLong.abort(new DeadlineError(`Storage ${what}: only ${movedBytes} bytes in ${Math.round(waitedMs)} ms`))
    if (tooLong.signal.aborted) clearInterval(timer)
  }, periodMs)
  return { signal: tooLong.signal, end: () => clearInterval(timer) }
}
