/**
 * Calls `build` at the first call and returns what it made from then on. A build that throws, or whose promise rejects,
 * is tried again at the next call.
 */
export function once<T>(build: () => T): () => T {
  let built: { value: T } | undefined
  return () => {
    if (built !== undefined) return built.value
    const made = { value: build() }
    built = made
    if (made.value instanceof Promise)
      made.value.catch(() => {
        if (built === made) built = undefined
      })
    return made.value
  }
}
