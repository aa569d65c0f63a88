import { request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { readAway } from '../../../shared/http/answer.ts'
import { countPassing } from '../../../shared/http/forced-collection/forced-collection.ts'
import { HttpError } from '../../../shared/http/http-error.ts'
import type { Unparsed } from '../../../shared/http/unparsed.ts'
import type { Connections } from './connections.ts'

/** Where a function process listens. */
export type Upstream = { readonly socketPath: string; readonly connections: Connections }

/** The function process could not be reached, so that it has seen nothing of the request. */
export class NotReached extends Error {
  override readonly name = 'NotReached'
}

/** Stands where a chunk begins, and is none: no parser takes it for the length of one. */
const NO_CHUNK = Buffer.from('no chunk\r\n')
/** Longer than the function takes by itself to say that it took too long. */
const GRACE_MS = 5_000

/** One request on its way to a function process and back, streaming both ways. */
export class Passage {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly #gone = new AbortController()
  /** What comes instead of the rest of the body. */
  #rest: Buffer | 'end' | undefined
  #breakOff = () => undefined as void

  constructor(request: IncomingMessage, response: ServerResponse) {
    this.request = request
    this.response = response
  }

  /** Whether the client has left, so that nobody waits for an answer. */
  get isAbandoned(): boolean {
    return this.#gone.signal.aborted || this.request.socket.destroyed
  }

  /**
   * What follows within a body is none of it, or nothing follows: what there is of it is passed on, and then that it is
   * broken. The client's own bytes are not: behind what is framed anew here they might say something else.
   * @returns whether the function is going to judge it
   */
  breakOff({ rawPacket }: Unparsed): true {
    this.#rest = rawPacket === undefined ? 'end' : NO_CHUNK
    this.#breakOff()
    return true
  }

  /**
   * Passes the request on, and the answer back.
   * @param target path and query as the function is to see them
   * @throws NotReached when nothing was passed on; HttpError when the process ended under it, or took too long
   */
  async run(upstream: Upstream, target: string, timeoutMs: number): Promise<void> {
    const { socket } = this.request
    const leave = () => this.#gone.abort(new Error('the client has gone'))
    if (socket.destroyed) leave()
    socket.setMaxListeners(0).once('close', leave)
    try {
      const endTurn = await upstream.connections.take(this.#gone.signal)
      try {
        await this.#exchange(upstream, target, timeoutMs)
      } finally {
        endTurn()
      }
    } finally {
      socket.off('close', leave)
    }
  }

  async #exchange({ socketPath, connections }: Upstream, path: string, timeoutMs: number): Promise<void> {
    const { request, response } = this
    // What came together with its head is passed on together with it: a function that refuses it has got it all by then.
    await nextTurn()
    this.#gone.signal.throwIfAborted()
    const { method } = request
    const headers = headersFor(request)
    const outgoing = httpRequest({ socketPath, agent: connections.agent, path, method, headers, setHost: false })
    const answered = answerOf(outgoing, timeoutMs + GRACE_MS)
    answered.catch(() => undefined)
    const stop = () => outgoing.destroy()
    this.#gone.signal.addEventListener('abort', stop, { once: true })
    // Its answer may be complete before its body is.
    request.once('close', () => void (request.complete || outgoing.destroy()))
    await connect(outgoing)
    outgoing.on('continue', () => askForBody(response))
    this.#send(outgoing)
    await this.#answer(outgoing, await answered)
  }

  #send(outgoing: ClientRequest): void {
    const { request } = this
    if (request.complete) return void outgoing.end((request.read() as Buffer | null) ?? undefined)
    // Who announces a body and does not send it is answered all the same.
    outgoing.flushHeaders()
    request.pipe(outgoing, { end: false }).on('error', () => undefined)
    request.on('data', (chunk: Buffer) => countPassing(chunk.length))
    request.once('end', () => outgoing.end())
    const { socket } = outgoing
    // What came together is sent together.
    if (this.#rest !== undefined) socket?.cork()
    this.#breakOff = () => {
      if (request.readableLength > 0) return void request.once('data', () => setImmediate(this.#breakOff))
      if (this.#rest === 'end') socket?.end()
      else socket?.write(this.#rest ?? '')
      socket?.uncork()
    }
    if (this.#rest !== undefined) this.#breakOff()
  }

  /** A connection that the function closes after its answer is closed like the function's own: what still comes is read away. */
  async #answer(outgoing: ClientRequest, answer: IncomingMessage): Promise<void> {
    const { request, response } = this
    const closes = /\bclose\b/i.test(answer.headers.connection ?? '')
    const headers = [...endToEnd(answer.rawHeaders), ...(closes ? ['Connection', 'close'] : [])]
    response.writeHead(answer.statusCode ?? 500, headers)
    try {
      await pipeline(answer, response, { end: false })
      if (closes && !request.complete) {
        request.unpipe(outgoing)
        outgoing.destroy()
        response.flushHeaders()
        await readAway(request)
      }
      response.end()
    } catch {
      response.destroy()
    }
  }
}

/** On a pipelined connection its turn may not have come. */
function askForBody(response: ServerResponse): void {
  const ask = () => void (response.headersSent || response.writeContinue())
  if (response.socket === null) response.once('socket', ask)
  else ask()
}

/** Resolves when the request has a connection. @throws NotReached */
function connect(outgoing: ClientRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(new NotReached('the function process cannot be reached', { cause }))
    outgoing.once('error', fail)
    outgoing.once('socket', (socket) => {
      const reach = () => {
        outgoing.off('error', fail)
        resolve()
      }
      if (socket.connecting) socket.once('connect', reach)
      else reach()
    })
  })
}

/** The answer. @throws HttpError when none comes in time, or the connection ends without one */
function answerOf(outgoing: ClientRequest, timeoutMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      reject(new HttpError('timeout', { technical: `The function process did not answer in ${timeoutMs / 1000} s` }))
      outgoing.destroy()
    }, timeoutMs)
    outgoing.once('close', () => clearTimeout(timer))
    outgoing.once('response', (answer) => {
      clearTimeout(timer)
      resolve(answer)
    })
    outgoing.on('error', (cause) =>
      reject(new HttpError('internal_error', { technical: 'The function process ended', cause })),
    )
  })
}

/** The request's own headers. What Node would add is settled here, so that a function sees what the client sent. */
function headersFor({ rawHeaders, headers, httpVersion, method = '' }: IncomingMessage): string[] {
  const framed = headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined
  return [
    ...endToEnd(rawHeaders, httpVersion === '1.1' ? HOP_BY_HOP : HOP_BY_HOP_OF_OTHERS),
    // Only HTTP/1.1 needs a Host, and that is what we speak to the function.
    ...(httpVersion !== '1.1' && headers.host === undefined ? ['Host', 'localhost'] : []),
    // Node would take a body of unknown length for granted.
    ...(framed || /^(GET|HEAD|DELETE|OPTIONS|TRACE)$/.test(method) ? [] : ['Content-Length', '0']),
  ]
}

const HOP_BY_HOP = /^(connection|keep-alive)$/i
/** Only in HTTP/1.1 an expectation counts (RFC 9110, 10.1.1), which is what the function is spoken to in. */
const HOP_BY_HOP_OF_OTHERS = /^(connection|keep-alive|expect)$/i

/** What concerns one connection says nothing about the other. Names and values, one after the other. */
function endToEnd(rawHeaders: readonly string[], dropped = HOP_BY_HOP): string[] {
  const pairs = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? '']] : []))
  return pairs.filter(([name = '']) => !dropped.test(name)).flat()
}
