/** So many bytes of bodies may become garbage before V8 is made to look at its youngest objects. */
export const COLLECT_EVERY_BYTES = 8 * 1024 * 1024

type Collect = (options: { type: 'minor' }) => void

let collect: Collect | undefined
let uncollectedBytes = 0

/** Counts bytes of a body that have been dealt with, and collects when there are many: see the README beside this file. */
export function countPassing(bytes: number): void {
  uncollectedBytes += bytes
  if (uncollectedBytes < COLLECT_EVERY_BYTES) return
  uncollectedBytes = 0
  collect ??= findCollector()
  collect({ type: 'minor' })
}

/** V8's own function, which a running process can get at in no other way. Without it nothing is lost but memory. */
function findCollector(): Collect {
  try {
    // Loaded here: most instances never come this far.
    process.getBuiltinModule('node:v8').setFlagsFromString('--expose-gc')
    return process.getBuiltinModule('node:vm').runInNewContext('gc') as Collect
  } catch {
    return () => undefined
  }
}
