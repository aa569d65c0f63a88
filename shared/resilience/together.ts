/** A part of some work; its signal aborts when the work is over for another reason. */
type Part = (signal: AbortSignal) => Promise<unknown>

/**
 * Does all parts at once. The first that fails ends the others, which are waited for: none goes on unseen.
 * @throws what the first to fail threw; the signal's reason where a part throws that
 */
export async function together(signal: AbortSignal, parts: readonly Part[]): Promise<void> {
  const failed = new AbortController()
  const ends = AbortSignal.any([signal, failed.signal])
  const ended = parts.map(async (part) => {
    try {
      await part(ends)
    } catch (error) {
      failed.abort(error)
    }
  })
  await Promise.all(ended)
  failed.signal.throwIfAborted()
}
