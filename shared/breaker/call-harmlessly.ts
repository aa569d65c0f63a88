/** Calls a listener, whose errors harm nobody: neither those it throws nor those it rejects with later. */
export function callHarmlessly(listen: () => unknown): void {
  try {
    const heard = listen()
    if (heard instanceof Promise) heard.catch(() => undefined)
  } catch {
    // A listener's failure is its own, and nobody else's.
  }
}
