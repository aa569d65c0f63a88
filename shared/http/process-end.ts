import { HttpError } from './http-error.ts'
import { errorFields, log } from '../telemetry/log.ts'
import { currentScope } from '../telemetry/scope.ts'

/** Cloud Run ends an instance 10 s after its SIGTERM (https://docs.cloud.google.com/run/docs/container-contract). */
const ABORT_AFTER_MS = 7_500
const EXIT_AFTER_MS = 9_000

type Abort = (reason: unknown) => void

const inFlight = new Set<Abort>()
let drainingSince: number | undefined

/** Counts a request as in flight until the returned function is called. `abort` ends it when time is up. */
export function enter(abort: Abort): () => void {
  inFlight.add(abort)
  return () => {
    inFlight.delete(abort)
    if (drainingSince !== undefined && inFlight.size === 0) leaveWhenIdle()
  }
}

/** Whether this instance takes no new requests because it is about to end. */
export function isDraining(): boolean {
  return drainingSince !== undefined
}

/** A rejection nobody awaited fails the request it belongs to, and no other. */
export function failOwnRequest(reason: unknown): void {
  log('ERROR', 'process.unhandled_rejection', { error: errorFields(reason) })
  currentScope()?.abort(reason)
}

let exitCode = 0

/** Takes nothing new, lets what is in flight finish while there is time, then ends the process. `cause` is for the log. */
export function drain(cause: string, code: 0 | 1): void {
  exitCode = Math.max(exitCode, code)
  if (drainingSince !== undefined) return
  drainingSince = performance.now()
  log('NOTICE', 'process.draining', { cause, inFlight: inFlight.size })
  setTimeout(() => {
    const reason = new HttpError('service_unavailable', { technical: 'The instance is shutting down' })
    for (const abort of inFlight) abort(reason)
  }, ABORT_AFTER_MS)
  setTimeout(() => {
    log('WARNING', 'process.ended_early', { inFlight: inFlight.size })
    process.exit(exitCode)
  }, EXIT_AFTER_MS)
  if (inFlight.size === 0) leaveWhenIdle()
}

/** One more turn of the event loop: requests that have arrived meanwhile are still refused in words. */
function leaveWhenIdle(): void {
  setImmediate(() => {
    if (inFlight.size === 0) process.exit(exitCode)
  })
}
