import { errorFields, log } from '../telemetry/log.ts'
import { currentScope } from '../telemetry/scope.ts'
import { HttpError } from './http-error.ts'

/** Cloud Run ends an instance 10 s after its SIGTERM (https://docs.cloud.google.com/run/docs/container-contract). */
const ABORT_AFTER_MS = 7_500
const EXIT_AFTER_MS = 9_000

type Abort = (reason: unknown) => void

/** What the end of a process takes of its surroundings; tests bring their own. */
export type Surroundings = {
  readonly exit: (code: number) => void
  readonly after: (delayMs: number, callback: () => void) => void
  /** Calls back in the next turn of the event loop. */
  readonly nextTurn: (callback: () => void) => void
  readonly log: typeof log
}

/** The requests in flight, and the way this process ends: nothing new, what runs may finish, and then it is over. */
export class ProcessEnd {
  readonly #surroundings: Surroundings
  readonly #inFlight = new Set<Abort>()
  #draining = false
  #exitCode = 0

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
  }

  /** Whether this instance takes no new requests because it is about to end. */
  get draining(): boolean {
    return this.#draining
  }

  /** Counts a request as in flight until the returned function is called. `abort` ends it when time is up. */
  enter(abort: Abort): () => void {
    // The same function may abort more than one request.
    const entry: Abort = (reason) => abort(reason)
    this.#inFlight.add(entry)
    return () => {
      this.#inFlight.delete(entry)
      if (this.#draining && this.#inFlight.size === 0) this.#leaveWhenIdle()
    }
  }

  /**
   * Takes nothing new, lets what is in flight finish while there is time, then ends the process.
   * @param cause for the log
   */
  drain(cause: string, code: 0 | 1): void {
    this.#exitCode = Math.max(this.#exitCode, code)
    if (this.#draining) return
    this.#draining = true
    const { after, exit, log: tell } = this.#surroundings
    tell('NOTICE', 'process.draining', { cause, inFlight: this.#inFlight.size })
    after(ABORT_AFTER_MS, () => {
      const reason = new HttpError('service_unavailable', { technical: 'The instance is shutting down' })
      for (const abort of this.#inFlight) abort(reason)
    })
    after(EXIT_AFTER_MS, () => {
      tell('WARNING', 'process.ended_early', { inFlight: this.#inFlight.size })
      exit(this.#exitCode)
    })
    if (this.#inFlight.size === 0) this.#leaveWhenIdle()
  }

  /** One more turn of the event loop: requests that have arrived meanwhile are still refused in words. */
  #leaveWhenIdle(): void {
    this.#surroundings.nextTurn(() => {
      if (this.#inFlight.size === 0) this.#surroundings.exit(this.#exitCode)
    })
  }
}

/** The end of this very process. */
export const processEnd = new ProcessEnd({
  exit: (code) => process.exit(code),
  after: (delayMs, callback) => void setTimeout(callback, delayMs),
  nextTurn: (callback) => void setImmediate(callback),
  log,
})

/** A rejection nobody awaited fails the request it belongs to, and no other. */
export function failOwnRequest(reason: unknown): void {
  log('ERROR', 'process.unhandled_rejection', { error: errorFields(reason) })
  currentScope()?.abort(reason)
}
