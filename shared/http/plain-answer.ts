import { randomUUID } from 'node:crypto'

import type { HttpError } from './http-error.ts'
import { errorEnvelope, errorHeaders } from './envelope.ts'
import { timingHeaders } from './timing-headers.ts'

export type PlainAnswer = {
  status: number
  headers: Record<string, string>
  body: string
  errorId: string
  requestId: string
}

/** An error as an answer, where there is no chain around a handler to make one: outside it, in front of it, without it. */
export function plainAnswer(error: HttpError, totalMs = 0): PlainAnswer {
  const [errorId, requestId] = [randomUUID(), randomUUID()]
  const body = JSON.stringify(errorEnvelope(error, { errorId, requestId }))
  const headers = {
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': String(Buffer.byteLength(body)),
    'Cache-Control': 'no-store',
    ...errorHeaders(error),
    ...timingHeaders(requestId, totalMs, []),
  }
  return { status: error.status, headers, body, errorId, requestId }
}
