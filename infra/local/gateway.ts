import { createServer, request as httpRequest } from 'node:http'
import type { ClientRequest, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { pipeline } from 'node:stream/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'

import { FUNCTIONS } from '../../functions/functions.ts'
import { asHttpError, HttpError } from '../../shared/http/http-error.ts'
import { readAway } from '../../shared/http/answer.ts'
import { plainAnswer } from '../../shared/http/plain-answer.ts'
import { answerTunnels } from '../../shared/http/tunnels.ts'
import { answerUnparsed } from '../../shared/http/unparsed.ts'
import type { Instances } from './functions/instances.ts'

export type Control = (
  method: string,
  url: URL,
  body: () => Promise<unknown>,
) => Promise<{ status: number; json?: unknown }>

const CONTROL_BODY_BYTES_MAX = 64 * 1024

/** One origin for everything: `/<function>` as the functions' URLs in the cloud, `/__local/…` for control. */
export class Gateway {
  readonly #server: Server
  #instances: Instances | undefined
  #control: Control | undefined

  constructor() {
    const serve = (request: IncomingMessage, response: ServerResponse) => {
      const atMs = performance.now()
      this.#serve(request, response).catch((error: unknown) => refuse(response, asHttpError(error), atMs))
    }
    // A function judges each head by itself, whatever is wrong with it: Node would answer some without an envelope.
    this.#server = createServer({ requireHostHeader: false }, serve)
    this.#server.on('checkContinue', serve)
    this.#server.on('checkExpectation', serve)
    answerTunnels(this.#server, (_request, response) => {
      const noTunnel = { technical: 'There are no tunnels here', headers: { Allow: 'GET, HEAD, POST, OPTIONS' } }
      refuse(response, new HttpError('method_not_allowed', noTunnel), performance.now())
    })
    this.#server.on('clientError', (error, socket) => answerUnparsed(error, socket, () => undefined))
    // Uploads may take their time; a slow client is the function's to judge.
    this.#server.requestTimeout = 0
    // Longer than clients keep idle connections, so that none is closed under a request that is on its way.
    this.#server.keepAliveTimeout = 120_000
  }

  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  open(control: Control, instances: Instances | undefined): void {
    this.#control = control
    this.#instances = instances
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://127.0.0.1')
    const [, first = '', ...rest] = url.pathname.split('/')
    if (first === '__local') return this.#answerControl(request, response, url)
    if (!Object.hasOwn(FUNCTIONS, first) || this.#instances === undefined)
      throw new HttpError('not_found', { technical: `There is no function ${JSON.stringify(first.slice(0, 80))}` })
    const { socketPath } = await this.#instances.next(first)
    await proxy(request, response, socketPath, `/${rest.join('/')}${url.search}`)
  }

  async #answerControl(request: IncomingMessage, response: ServerResponse, url: URL): Promise<void> {
    // A page in a browser must not steer the local cloud by a name that resolves to this machine.
    if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? '')) throw new HttpError('forbidden')
    if (this.#control === undefined) throw new HttpError('service_unavailable')
    const { status, json } = await this.#control(request.method ?? '', url, () => readJson(request))
    const body = json === undefined ? undefined : JSON.stringify(json)
    response
      .writeHead(status, body === undefined ? {} : { 'Content-Type': 'application/json; charset=utf-8' })
      .end(body)
  }
}

/** Passes a request through, streaming both ways; a process that dies under it leaves a 500, as on the platform. */
async function proxy(
  request: IncomingMessage,
  response: ServerResponse,
  socketPath: string,
  path: string,
): Promise<void> {
  const atMs = performance.now()
  // What came together with its head is passed on together with it: a function that refuses it has got it all by then.
  await nextTurn()
  await new Promise<void>((resolve) => {
    const headers = endToEnd(request.rawHeaders)
    const upstream = httpRequest({ socketPath, path, method: request.method, headers, setHost: false, agent: false })
    upstream.once('continue', () => response.writeContinue())
    upstream.once('response', (answer) => {
      void passOn(request, response, upstream, answer).then(resolve)
    })
    upstream.once('error', (cause) => {
      refuse(response, new HttpError('internal_error', { technical: 'The function process ended', cause }), atMs)
      resolve()
    })
    response.once('close', () => {
      upstream.destroy()
      resolve()
    })
    if (request.complete) upstream.end((request.read() as Buffer | null) ?? undefined)
    else {
      // Who announces a body and does not send it is answered all the same.
      upstream.flushHeaders()
      request.pipe(upstream)
    }
  })
}

/** An answer that comes before all of the request was read ends like the function's own: what still comes is read away. */
async function passOn(
  request: IncomingMessage,
  response: ServerResponse,
  upstream: ClientRequest,
  answer: IncomingMessage,
): Promise<void> {
  response.writeHead(answer.statusCode ?? 500, [
    ...endToEnd(answer.rawHeaders),
    ...(request.complete ? [] : ['Connection', 'close']),
  ])
  try {
    await pipeline(answer, response, { end: false })
    request.unpipe(upstream)
    if (!request.complete) {
      upstream.destroy()
      response.flushHeaders()
      await readAway(request)
    }
    response.end()
  } catch {
    response.destroy()
  }
}

/** What concerns the connection to the function says nothing about the client's. Names and values, one after the other. */
function endToEnd(rawHeaders: readonly string[]): string[] {
  const pairs = rawHeaders.flatMap((name, index) => (index % 2 === 0 ? [[name, rawHeaders[index + 1] ?? '']] : []))
  return pairs.filter(([name = '']) => !/^(connection|keep-alive)$/i.test(name)).flat()
}

function refuse(response: ServerResponse, error: HttpError, sinceMs: number): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const { status, headers, body } = plainAnswer(error, performance.now() - sinceMs)
  response.writeHead(status, headers).end(body)
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
