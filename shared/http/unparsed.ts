import type { Duplex } from 'node:stream'

import { HttpError } from './http-error.ts'
import { log } from '../telemetry/log.ts'
import { plainAnswer } from './plain-answer.ts'

/** Node has no words of its own for these; the answer's connection is closed in any case. */
function errorOf(code: string | undefined): HttpError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new HttpError('validation_error', { technical: 'The head of the request is larger than the server takes' })
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new HttpError('timeout', { technical: 'The request did not arrive in time' })
    default:
      return new HttpError('validation_error', { technical: 'The request is not valid HTTP' })
  }
}

/** Answers what could not be parsed as a request, with the same envelope as everything else. */
export function answerUnparsed(failure: NodeJS.ErrnoException, socket: Duplex, tell = log): void {
  if (failure.code === 'ECONNRESET' || !socket.writable) return void socket.destroy()
  const { status, headers, body, errorId, requestId } = plainAnswer(errorOf(failure.code))
  tell('NOTICE', 'request.unparsed', { error_id: errorId, requestId, parser: failure.code, status })
  const head = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}`)
  // The phrase after the status may be empty (RFC 9112); importing Node's costs every cold start 15 ms.
  const lines = [`HTTP/1.1 ${status} `, ...head, '', body]
  socket.end(lines.join('\r\n'), () => socket.destroy())
}
