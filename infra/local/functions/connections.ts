import { Agent } from 'node:http'

import { HttpError } from '../../../shared/http/http-error.ts'
import { LineFull, Slots } from '../../../shared/resilience/slots.ts'

/** Requests that one function process works on at a time: fewer than its system keeps in line unseen (511). */
const REQUESTS_MAX = 200
/** Requests that wait in line for one function process. */
const WAITING_MAX = 4_000
/** Idle connections are closed after this time, by us: a function process that closed one might close it under a request. */
const IDLE_MS = 30_000

/** The connections to one function process: kept for the next request, never more than it can take, first come first served. */
export class Connections {
  readonly agent = new Agent({ keepAlive: true, maxFreeSockets: REQUESTS_MAX, timeout: IDLE_MS })
  readonly #slots = new Slots(REQUESTS_MAX, { lineMax: WAITING_MAX })

  /**
   * Waits for a request's turn: who sent it is not known here, so that all are one person's.
   * @returns ends the turn
   * @throws HttpError service_unavailable when too many wait already; the signal's reason
   */
  async take(signal: AbortSignal): Promise<() => void> {
    try {
      return await this.#slots.take('', signal)
    } catch (error) {
      if (!(error instanceof LineFull)) throw error
      throw new HttpError('service_unavailable', {
        technical: `${WAITING_MAX} requests wait for this function already`,
        retryAfterSeconds: 1,
      })
    }
  }
}
