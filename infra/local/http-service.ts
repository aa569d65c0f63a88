import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

import type { Fault, Faults, Target } from './faults.ts'
import type { Journal } from './journal.ts'
import { onLastingPort } from './lasting-port.ts'
import { readBody, streamedBody } from './http-body.ts'
import type { Body } from './http-body.ts'

export type LocalRequest = {
  method: string
  url: URL
  headers: IncomingHttpHeaders
  /** What the route's pattern captured. */
  params: string[]
  /** A fault that only the stand-in itself can act out: `blocked`, `auth`, `billing`. */
  fault: Fault | undefined
  bytes(): Promise<Buffer>
  /** The body as it comes in, once. It ends only when the request is whole, and throws when its client goes before. */
  stream(): AsyncIterable<Buffer>
  json(): Promise<unknown>
  /** Names the episode in the journal. */
  concerns(episodeId: string): void
}

export type Reply = {
  status: number
  headers?: Record<string, string>
  body?: Buffer | string | Readable
  json?: unknown
}
export type Route = { method: string; path: RegExp; handle: (request: LocalRequest) => Promise<Reply> | Reply }

/** Thrown by a route to answer at once. */
export class ReplyError extends Error {
  override readonly name = 'ReplyError'
  readonly reply: Reply
  constructor(reply: Reply) {
    super(`replied ${reply.status}`)
    this.reply = reply
  }
}

/** Around every request: may refuse it, and sees what it was answered. */
export type Around = (request: { method: string; url: URL }, serve: () => Promise<Reply>) => Promise<Reply>

export type ServiceOptions = {
  target: Target
  routes: readonly Route[]
  faults: Faults
  journal: Journal
  /** How this service words a refusal: its own error body for a status. */
  refuse: (status: number, headers: Record<string, string>) => Reply
  around?: Around
  /**
   * `read`: at once and into memory, so that what a client has sent arrives even when the client is gone before we act on
   * it; what is not said otherwise. `streamed`: as the route takes them, for bodies of any size.
   */
  bodies?: 'read' | 'streamed'
  /** Called when the service stops for good. */
  onStop?: () => void
}

const KEEP_ALIVE_MS = 120_000

/** One local HTTP service on loopback, with its faults acted out and its requests written down. */
export class HttpService {
  readonly #options: ServiceOptions
  #server: Server | undefined
  #port = 0

  constructor(options: ServiceOptions) {
    this.#options = options
    options.faults.onChange(async (target, fault) => {
      if (target !== options.target || this.#port === 0) return
      if (fault?.mode === 'down') await this.#close()
      else if (this.#server === undefined) await this.#listen(this.#port)
    })
  }

  get port(): number {
    return this.#port
  }

  get origin(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  /** @param port where it should listen, if that is free; any other is as good */
  async start(port = 0): Promise<this> {
    const listen = (one: number) => this.#listen(one)
    if (port === 0) await onLastingPort(listen)
    else await listen(port).catch(() => onLastingPort(listen))
    return this
  }

  async stop(): Promise<void> {
    await this.#close()
    this.#port = 0
    this.#options.onStop?.()
  }

  async #listen(port: number): Promise<void> {
    const server = createServer((request, response) => {
      this.#serve(request, response).catch(() => response.destroy())
    })
    // Longer than clients keep idle connections, so that none is closed under a request that is on its way.
    server.keepAliveTimeout = KEEP_ALIVE_MS
    // Uploads may take their time.
    server.requestTimeout = 0
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
    this.#server = server
    this.#port = (server.address() as AddressInfo).port
  }

  async #close(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    await new Promise<void>((resolve) => {
      server.close(() => resolve())
      server.closeAllConnections()
    })
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { target, faults, journal, refuse } = this.#options
    const url = new URL(request.url ?? '/', this.origin)
    const fault = faults.hit(target)
    let episodeId = String(request.headers['x-correlation-id'] ?? '') || undefined
    const record = (status: number, sizes: { requestBytes?: number; answerBytes?: number } = {}) =>
      journal.record(target, {
        method: request.method ?? '',
        path: url.pathname,
        status,
        ...(episodeId && { episodeId }),
        ...sizes,
      })
    if (fault?.mode === 'reset' || fault?.mode === 'blackhole') {
      record(0)
      if (fault.mode === 'reset') request.socket.resetAndDestroy()
      else request.resume()
      return
    }
    const latencyMs = fault?.mode === 'slow' ? (fault.latencyMs ?? 5000) : 0
    const latency = latencyMs === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, latencyMs))
    const body = this.#options.bodies === 'streamed' ? streamedBody(request, latency) : readBody(request)
    // A body that streams is taken in meanwhile, and ends when the time is over.
    if (!body.isStreamed) await latency

    const refused = refusalOf(fault, refuse)
    const reply = refused ?? (await this.#route(request, body, url, fault, (id) => (episodeId = id)))
    await latency
    const given = fault?.mode === 'malformed' ? garble(reply) : reply
    const content = contentOf(given)
    const answerBytes = Buffer.isBuffer(content)
      ? content.length
      : Number(given.headers?.['Content-Length'] ?? Number.NaN)
    record(reply.status, { requestBytes: body.receivedBytes(), ...(!Number.isNaN(answerBytes) && { answerBytes }) })
    await answer(request, response, { ...given, content }, fault?.mode === 'truncate')
  }

  async #route(
    request: IncomingMessage,
    body: Body,
    url: URL,
    fault: Fault | undefined,
    concerns: (id: string) => void,
  ): Promise<Reply> {
    const { routes, refuse, around = (_request, serve) => serve() } = this.#options
    const matching = routes.flatMap((route) => {
      const match = route.path.exec(url.pathname)
      return match ? [{ route, params: match.slice(1).map((part) => decodeURIComponent(part ?? '')) }] : []
    })
    const chosen = matching.find(
      ({ route }) => route.method === request.method || (route.method === 'GET' && request.method === 'HEAD'),
    )
    if (chosen === undefined) return refuse(matching.length > 0 ? 405 : 404, {})
    try {
      const asked: LocalRequest = {
        method: request.method ?? '',
        url,
        headers: request.headers,
        params: chosen.params,
        fault,
        bytes: body.bytes,
        stream: body.stream,
        json: async () => JSON.parse((await body.bytes()).toString('utf8')) as unknown,
        concerns,
      }
      return await around(asked, async () => takeReply(async () => chosen.route.handle(asked)))
    } catch (error) {
      if (error instanceof ReplyError) return error.reply
      if (error instanceof SyntaxError) return refuse(400, {})
      // Whoever is gone is answered nothing.
      if (request.destroyed && !request.complete) throw error
      process.stderr.write(`local ${this.#options.target}: ${error instanceof Error ? error.stack : String(error)}\n`)
      return refuse(500, {})
    }
  }
}

/** What a route answers, also when it threw its answer. */
async function takeReply(handle: () => Promise<Reply>): Promise<Reply> {
  try {
    return await handle()
  } catch (error) {
    if (error instanceof ReplyError) return error.reply
    throw error
  }
}

function refusalOf(fault: Fault | undefined, refuse: ServiceOptions['refuse']): Reply | undefined {
  const retryAfter = fault?.retryAfterSeconds === undefined ? {} : { 'Retry-After': String(fault.retryAfterSeconds) }
  switch (fault?.mode) {
    case 'status':
      return refuse(fault.status ?? 503, retryAfter)
    case 'throttle':
      return refuse(429, retryAfter)
    case 'auth':
      return refuse(401, {})
    case 'billing':
      return refuse(402, {})
    default:
      return undefined
  }
}

/** A body that starts like the real one and is not what it says. */
function garble(reply: Reply): Reply {
  if (reply.body instanceof Readable) reply.body.destroy()
  return { ...reply, body: '{"oops": <html>', json: undefined }
}

/** The body as it is sent. */
function contentOf({ json, body = '' }: Reply): Buffer | Readable {
  if (json !== undefined) return Buffer.from(JSON.stringify(json))
  return typeof body === 'string' ? Buffer.from(body) : body
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  reply: Reply & { readonly content: Buffer | Readable },
  truncated: boolean,
): Promise<void> {
  const { content } = reply
  const headers = {
    ...(reply.json !== undefined && { 'Content-Type': 'application/json; charset=utf-8' }),
    ...reply.headers,
  }
  if (content instanceof Readable) {
    response.writeHead(reply.status, headers)
    if (request.method === 'HEAD') return void response.end(() => content.destroy())
    return truncated ? sendHalf(content, response) : pipeline(content, response)
  }
  response.writeHead(reply.status, { 'Content-Length': content.length, ...headers })
  if (truncated)
    return void response.write(content.subarray(0, Math.floor(content.length / 2)), () => request.socket.destroy())
  response.end(request.method === 'HEAD' ? undefined : content)
}

/** Sends half of what was announced, and hangs up. */
async function sendHalf(body: Readable, response: ServerResponse): Promise<void> {
  let left = Math.floor(Number(response.getHeader('Content-Length') ?? 0) / 2)
  for await (const chunk of body) {
    const part = (chunk as Buffer).subarray(0, left)
    left -= part.length
    if (left > 0) response.write(part)
    else return void response.write(part, () => response.destroy())
  }
  response.destroy()
}
