import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'

import { HttpError } from './http-error.ts'
import { log } from '../telemetry/log.ts'
import { plainAnswer } from './plain-answer.ts'

/** A request of a connection with its answer, and the answer that must be sent before. */
type Turn = { request: IncomingMessage; response: ServerResponse; before: ServerResponse | undefined }

/** `rawPacket`: what was read together; not there when nothing more comes. */
export type Unparsed = NodeJS.ErrnoException & { readonly rawPacket?: Buffer }

type Options = {
  tell?: typeof log
  /** Whether somebody else answers a request within whose body it came. */
  leave?: (failure: Unparsed, request: IncomingMessage) => boolean
}

/** A client may go on sending so long after its answer. */
const LINGER_MS = 10_000

const brokenRequests = new WeakSet<IncomingMessage>()

/** Whether something that cannot be parsed came within this request's body, so that the answer is about that. */
export function isBroken(request: IncomingMessage): boolean {
  return brokenRequests.has(request)
}

/**
 * Has what cannot be parsed as a request answered with the same envelope as everything else, in its turn: clients take
 * the answers of a connection in the order of their requests.
 */
export function answerUnparsed(server: Server, { tell = log, leave = () => false }: Options = {}): void {
  const newest = new WeakMap<Duplex, Turn>()
  const broken = new WeakSet<Duplex>()
  const note = (request: IncomingMessage, response: ServerResponse) => {
    newest.set(request.socket, { request, response, before: newest.get(request.socket)?.response })
  }
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.prependListener(event, note)
  server.on('clientError', (failure: Unparsed, socket: Duplex) => {
    if (failure.code === 'ECONNRESET') return void socket.destroy()
    // What follows is read and not parsed, and told again.
    if (broken.has(socket)) return
    if (!socket.writable) return void socket.destroy()
    broken.add(socket)
    const turn = newest.get(socket)
    if (turn === undefined || turn.request.complete)
      return whenSent(turn?.response, () => refuse(failure, socket, tell))
    const { request, response, before } = turn
    if (response.headersSent || leave(failure, request)) return whenSent(response, () => refuse(failure, socket, tell))
    brokenRequests.add(request)
    whenSent(before, () => refuse(failure, socket, tell))
  })
}

function whenSent(response: ServerResponse | undefined, act: () => void): void {
  if (response === undefined || response.writableFinished) act()
  else response.once('finish', act)
}

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

function refuse(failure: NodeJS.ErrnoException, socket: Duplex, tell: typeof log): void {
  if (!socket.writable) return
  const { status, headers, body, errorId, requestId } = plainAnswer(errorOf(failure.code))
  tell('NOTICE', 'request.unparsed', { error_id: errorId, requestId, parser: failure.code, status })
  const head = Object.entries({ ...headers, Connection: 'close' }).map(([name, value]) => `${name}: ${value}`)
  // The phrase after the status may be empty (RFC 9112); importing Node's costs every cold start 15 ms.
  const lines = [`HTTP/1.1 ${status} `, ...head, '', body]
  socket.end(lines.join('\r\n'))
  // Closed under a client that is still sending, its system would throw the answer away.
  const timer = setTimeout(() => socket.destroy(), LINGER_MS)
  socket.once('close', () => clearTimeout(timer))
}
