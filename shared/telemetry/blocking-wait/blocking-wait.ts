const NEVER_WOKEN = new Int32Array(new SharedArrayBuffer(4))

/** Stops this thread, and with it everything in the process that waits for the event loop, for `waitMs`. */
export function blockThread(waitMs: number): void {
  Atomics.wait(NEVER_WOKEN, 0, 0, waitMs)
}
