import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'

/** One request, as it was answered. Of requests only what names them is kept: nothing secret. */
export type Exchange = {
  /** `POST /v2/transcript/{id}`: without what differs from run to run. */
  readonly question: string
  readonly status: number
  readonly contentType: string
  /** The answer, where it is JSON. */
  readonly body: unknown
}

/** Left to the connection on either side. */
const OF_ONE_HOP = new Set([
  'host',
  'connection',
  'keep-alive',
  'transfer-encoding',
  'content-length',
  'accept-encoding',
])
const OF_ONE_HOP_BACK = new Set(['connection', 'keep-alive', 'transfer-encoding', 'content-length', 'content-encoding'])
const BODY_BYTES_MAX = 8 * 1024 * 1024
const TIMEOUT_MS = 300_000

/** A server of this machine that passes requests on, and writes down what was answered. */
export class Recorder {
  readonly exchanges: Exchange[] = []
  readonly #upstream: string
  readonly #server = createServer((request, response) => void this.#pass(request, response))

  constructor(upstream: string) {
    this.#upstream = upstream
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request
    try {
      const hasBody = method !== 'GET' && method !== 'DELETE'
      const answer = await fetch(`${this.#upstream}${url}`, {
        method,
        headers: headersOf(request),
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(hasBody && { body: Readable.toWeb(request) as ReadableStream, duplex: 'half' }),
      })
      const bytes = Buffer.from(await answer.arrayBuffer())
      const contentType = answer.headers.get('content-type') ?? ''
      this.exchanges.push({
        question: questionOf(method, url),
        status: answer.status,
        contentType: contentType.split(';')[0] ?? '',
        body: contentType.includes('json') && bytes.length <= BODY_BYTES_MAX ? parseBody(bytes) : undefined,
      })
      const headers = [...answer.headers].filter(([name]) => !OF_ONE_HOP_BACK.has(name))
      response.writeHead(answer.status, Object.fromEntries(headers)).end(bytes)
    } catch (error) {
      // Whoever asked meets what it would have met without us in between: a connection that fails.
      process.stderr.write(`${questionOf(method, url)}: ${error instanceof Error ? error.message : String(error)}\n`)
      response.destroy()
    }
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  const kept = Object.entries(headers).filter(([name, value]) => typeof value === 'string' && !OF_ONE_HOP.has(name))
  return Object.fromEntries(kept) as Record<string, string>
}

function parseBody(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString('utf8')) as unknown
  } catch {
    return undefined
  }
}

/** Ids have digits or capitals in them. */
const WORDS_OF_A_PATH = /^[a-z_.-]+$|^v\d\w*$/

/** Ids, which differ from run to run, become `{id}`; queries are left out. */
export function questionOf(method: string, url: string): string {
  const path = url.split('?')[0] ?? ''
  const parts = path.split('/').map((part) => {
    const ending = /\.json$/.exec(part)?.[0] ?? ''
    const isWord = part === '' || WORDS_OF_A_PATH.test(part) || part.includes(':')
    return isWord ? part : `{id}${ending}`
  })
  return `${method} ${parts.join('/')}`
}
