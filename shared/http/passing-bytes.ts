import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

const COLLECT_EVERY_BYTES = 8 * 1024 * 1024

type Collect = (options: { type: 'minor' }) => void

let collect: Collect | undefined
let uncollectedBytes = 0

/**
 * Counts bytes of bodies that have passed through and are garbage now. V8 sees a chunk of 64 KiB as an object of a
 * hundred bytes and lets hundreds of megabytes pile up before it looks; so it is asked to look at its youngest objects,
 * which takes about a millisecond, every few megabytes. Measured with 50 uploads of 500 MB at once: resident memory
 * grows by 50 MiB instead of 200.
 */
export function passed(bytes: number): void {
  uncollectedBytes += bytes
  if (uncollectedBytes < COLLECT_EVERY_BYTES) return
  uncollectedBytes = 0
  collect ??= collector()
  collect({ type: 'minor' })
}

/** V8's own function, which a running process can get at in no other way. Without it nothing is lost but memory. */
function collector(): Collect {
  try {
    setFlagsFromString('--expose-gc')
    return runInNewContext('gc') as Collect
  } catch {
    return () => undefined
  }
}
