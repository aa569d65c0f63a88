/**
 * Waits for work no longer than its signal allows. The work goes on unseen.
 * @throws the signal's reason; what the work throws
 */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  work.catch(() => undefined)
  signal.throwIfAborted()
  let hear: (() => void) | undefined
  const aborted = new Promise<never>((_resolve, reject) => {
    hear = () => reject(signal.reason as Error)
    signal.addEventListener('abort', hear, { once: true })
  })
  try {
    return await Promise.race([work, aborted])
  } finally {
    if (hear !== undefined) signal.removeEventListener('abort', hear)
  }
}

/** Whether whoever asked set a time for the call and it is over, as `AbortSignal.timeout` says it: the call was too slow. */
export function isTimeUp(signal: AbortSignal): boolean {
  const reason: unknown = signal.reason
  return signal.aborted && reason instanceof Error && reason.name === 'TimeoutError'
}
