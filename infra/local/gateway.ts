import { createServer } from 'node:http'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

import { FUNCTIONS } from '../../functions/functions.ts'
import type { FunctionRow } from '../../functions/functions.ts'
import { readAway } from '../../shared/http/answer.ts'
import { asHttpError, HttpError } from '../../shared/http/http-error.ts'
import { plainAnswer } from '../../shared/http/plain-answer.ts'
import { answerTunnels } from '../../shared/http/tunnels.ts'
import { answerUnparsed } from '../../shared/http/unparsed.ts'
import { NotReached, Passage } from './functions/proxy.ts'
import type { Upstream } from './functions/proxy.ts'
import type { LocalLog } from './local-log.ts'

export type Control = (
  method: string,
  url: URL,
  body: () => Promise<unknown>,
) => Promise<{ status: number; json?: unknown }>

/** Whoever starts function processes. */
type FunctionProcesses = {
  /** The process whose turn it is, started and listening. */
  next(name: string): Promise<Upstream>
}

const CONTROL_BODY_BYTES_MAX = 64 * 1024

/** Connections that wait to be accepted; the system may allow fewer. */
const BACKLOG = 4_096
/** A function process that cannot be reached may have just ended, and another is started in its place. */
const REACH_TRIES = 40
const REACH_AGAIN_MS = 50

/** One origin for everything: `/<function>` as the functions' URLs in the cloud, `/__local/…` for control. */
export class Gateway {
  readonly #server: Server
  readonly #log: LocalLog
  readonly #passages = new WeakMap<IncomingMessage, Passage>()
  #processes: FunctionProcesses | undefined
  #control: Control | undefined

  /** @param log hears of every answer that is the gateway's own, by its error_id */
  constructor(log: LocalLog) {
    this.#log = log
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      const atMs = performance.now()
      this.#serve(request, response).catch((error: unknown) => this.#refuse(request, response, error, atMs))
    }
    // A function judges each head by itself, whatever is wrong with it: Node would answer some without an envelope.
    this.#server = createServer({ requireHostHeader: false }, serve)
    // Headers beyond a maximum would be left out; how long a head may be is bounded anyway.
    this.#server.maxHeadersCount = 0
    this.#server.on('checkContinue', serve)
    this.#server.on('checkExpectation', serve)
    answerTunnels(this.#server, (request, response) => {
      const noTunnel = { technical: 'There are no tunnels here', headers: { Allow: 'GET, HEAD, POST, OPTIONS' } }
      this.#refuse(request, response, new HttpError('method_not_allowed', noTunnel), performance.now())
    })
    answerUnparsed(this.#server, {
      tell: (severity, event, fields) => this.#log(severity, event, fields ?? {}),
      // What comes of a body is the function's to judge, which may have refused its head.
      leave: (failure, request) => this.#passages.get(request)?.breakOff(failure) === true,
    })
    // Uploads may take their time; a slow client is the function's to judge.
    this.#server.requestTimeout = 0
    // Longer than clients keep idle connections, so that none is closed under a request that is on its way.
    this.#server.keepAliveTimeout = 120_000
  }

  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen({ port, host: '127.0.0.1', backlog: BACKLOG }, resolve)
    })
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  open(control: Control | undefined, processes: FunctionProcesses | undefined): void {
    this.#control = control
    this.#processes = processes
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { name, target } = readTarget(request.url ?? '/')
    if (name === '__local') return this.#answerControl(request, response)
    if (!Object.hasOwn(FUNCTIONS, name) || this.#processes === undefined)
      throw new HttpError('not_found', { technical: `There is no function ${JSON.stringify(name.slice(0, 80))}` })
    const { timeoutSeconds } = rowOf(name)
    const passage = new Passage(request, response)
    this.#passages.set(request, passage)
    for (let tries = 1; ; tries++) {
      const upstream = await this.#processes.next(name)
      try {
        return await passage.run(upstream, target, timeoutSeconds * 1000)
      } catch (error) {
        if (passage.isAbandoned) return
        if (!(error instanceof NotReached)) throw error
        if (tries === REACH_TRIES) throw new HttpError('internal_error', { technical: error.message, cause: error })
      }
      await sleep(REACH_AGAIN_MS)
    }
  }

  /** To Cloud Tasks and providers every failure that a repeat can cure is a plain 500, as a function's own. */
  #refuse(request: IncomingMessage, response: ServerResponse, thrown: unknown, sinceMs: number): void {
    if (response.headersSent || response.destroyed) return void response.destroy()
    const { name } = readTarget(request.url ?? '/')
    const error = forCaller(asHttpError(thrown), name)
    const { status, headers, body, errorId, requestId } = plainAnswer(error, performance.now() - sinceMs)
    this.#log(status >= 500 ? 'ERROR' : 'NOTICE', 'gateway.refused', {
      error_id: errorId,
      requestId,
      status,
      code: error.code,
      technical: error.technical,
      method: request.method,
      ...(Object.hasOwn(FUNCTIONS, name) && { function: name }),
      ...(status >= 500 && { error }),
    })
    if (request.complete) return void response.writeHead(status, headers).end(body)
    response.writeHead(status, { ...headers, Connection: 'close' })
    if (request.method === 'HEAD') response.flushHeaders()
    else response.write(body)
    void readAway(request).then(() => response.end())
  }

  async #answerControl(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // A page in a browser must not steer the local cloud by a name that resolves to this machine.
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? '')) throw new HttpError('forbidden')
    if (this.#control === undefined) throw new HttpError('service_unavailable')
    const url = URL.parse(request.url ?? '/', 'http://127.0.0.1')
    if (url === null) throw new HttpError('not_found', { technical: 'There is nothing under this path' })
    const { status, json } = await this.#control(request.method ?? '', url, () => readJson(request))
    const body = json === undefined ? undefined : JSON.stringify(json)
    response
      .writeHead(status, body === undefined ? {} : { 'Content-Type': 'application/json; charset=utf-8' })
      .end(body)
  }
}

/** The function that a request is for, and the target as the function is to see it; by hand, as clients write anything. */
function readTarget(target: string): { name: string; target: string } {
  const [origin = ''] = /^https?:\/\/[^/?#]*/i.exec(target) ?? []
  const [slash = ''] = /^\//.exec(target.slice(origin.length)) ?? []
  const [name = ''] = /^[^/?#]*/.exec(target.slice(origin.length + slash.length)) ?? []
  const rest = target.slice(origin.length + slash.length + name.length)
  return { name, target: `${origin}${rest.startsWith('/') ? '' : '/'}${rest}` }
}

function rowOf(name: string): FunctionRow {
  return FUNCTIONS[name as keyof typeof FUNCTIONS]
}

function forCaller(error: HttpError, name: string): HttpError {
  const caller = Object.hasOwn(FUNCTIONS, name) ? rowOf(name).caller : 'anyone'
  const isMachine = caller === 'tasks' || caller === 'provider'
  if (!isMachine || !error.retryable || error.status === 500) return error
  return new HttpError('internal_error', { technical: error.technical, cause: error })
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of request) {
    chunks.push(chunk as Buffer)
    if (chunks.reduce((sum, { length }) => sum + length, 0) > CONTROL_BODY_BYTES_MAX)
      throw new HttpError('request_too_large')
  }
  const text = Buffer.concat(chunks).toString('utf8')
  try {
    return text === '' ? {} : (JSON.parse(text) as unknown)
  } catch (cause) {
    throw new HttpError('validation_error', { technical: 'The body is not valid JSON', cause })
  }
}
