import type { IncomingMessage, ServerResponse } from 'node:http'

/** How a request came in: what Node's request object does not say. */
export type Arrival = {
  /** performance.now() when its head had been parsed. */
  readonly atMs: number
  /** What the client wants to hear before it goes on: `continue` is the body's 100, anything else we cannot meet. */
  readonly expects?: 'continue' | 'unknown'
}

/** Answers one request, whatever becomes of it. */
export type Serve = (request: IncomingMessage, response: ServerResponse, arrival: Arrival) => Promise<void>
