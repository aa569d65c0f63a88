import type { IncomingMessage, ServerResponse } from 'node:http'

/** The no-op handlers of edge-functions.ts as plain functions-framework serves them: the baseline. */
type Request = IncomingMessage & { body: unknown }
type Response = ServerResponse & { json: (value: unknown) => void }

export function noop(_request: Request, response: Response): void {
  response.json({ ok: true })
}

export function echo(request: Request, response: Response): void {
  response.json({ bytes: JSON.stringify(request.body).length })
}
