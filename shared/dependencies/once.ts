/** Calls `build` at the first call and returns what it made from then on; one that throws is called again. */
export function once<T>(build: () => T): () => T {
  let built: { value: T } | undefined
  return () => (built ??= { value: build() }).value
}
