import { Agent } from 'node:http'

import { HttpError } from '../../../shared/http/http-error.ts'
import { Slots } from '../../../shared/resilience/slots.ts'

/** Requests that one function process works on at a time: fewer than its system keeps in line unseen (511). */
const REQUESTS_MAX = 200
/** Requests that wait in line for one function process. */
const WAITING_MAX = 4_000
/** Idle connections are closed after this time, by us: a function process that closed one might close it under a request. */
const IDLE_MS = 30_000

/** The connections to one function process: kept for the next request, never more than it can take, first come first served. */
export class Connections {
  readonly agent = new Agent({ keepAlive: true, maxFreeSockets: REQUESTS_MAX, timeout: IDLE_MS })
  readonly #slots = new Slots(REQUESTS_MAX)
  #waiting = 0

  /**
   * Waits for a request's turn.
   * @returns ends the turn
   * @throws HttpError service_unavailable when too many wait already; the signal's reason
   */
  async take(signal: AbortSignal): Promise<() => void> {
    if (this.#waiting >= WAITING_MAX)
      throw new HttpError('service_unavailable', {
        technical: `${WAITING_MAX} requests wait for this function already`,
        retryAfterSeconds: 1,
      })
    this.#waiting++
    try {
      return await this.#slots.take(signal)
    } finally {
      this.#waiting--
    }
  }
}
