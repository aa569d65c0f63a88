import { connect } from 'node:net'
import type { Socket } from 'node:net'

import * as z from 'zod'

import { ERROR_CODES } from '../../../shared/http/codes.ts'

/** A bound, not an expectation: how soon an answer comes says how busy the machine is. */
const ANSWER_MS_MAX = 60_000

export type RawAnswer = { status: number; headers: Record<string, string>; body: string }

const codes = Object.keys(ERROR_CODES) as [string, ...string[]]

/** The envelope, to the letter. */
export const Envelope = z.strictObject({
  error: z.strictObject({
    code: z.enum(codes),
    message: z.string().min(1),
    technical_message: z.string().min(1),
    retryable: z.boolean(),
    error_id: z.uuid(),
    request_id: z.string().min(1),
    details: z.record(z.string(), z.unknown()).optional(),
  }),
})

/** One connection on which bytes are written by hand, and answers are taken apart by hand. */
export class RawClient {
  readonly socket: Socket
  readonly closed: Promise<void>
  #received: Buffer = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => undefined

  /** @param where a port, or the path of a socket */
  constructor(where: number | string) {
    const address = typeof where === 'string' ? { path: where } : { port: where, host: '127.0.0.1' }
    this.socket = connect({ ...address, allowHalfOpen: true })
    this.socket.on('data', (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#wake()
    })
    this.socket.on('error', () => undefined)
    this.socket.once('end', () => {
      this.#ended = true
      this.#wake()
      this.socket.end()
    })
    this.closed = new Promise((resolve) => {
      this.socket.once('close', () => {
        this.#ended = true
        this.#wake()
        resolve()
      })
    })
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes)
    return this
  }

  /** The next answer; undefined when the connection ends without one. @throws when neither comes in time */
  async answer(timeoutMs = ANSWER_MS_MAX, toHead = false): Promise<RawAnswer | undefined> {
    const untilMs = Date.now() + timeoutMs
    for (;;) {
      const taken = takeAnswer(this.#received, toHead)
      if (taken !== undefined) {
        this.#received = taken.rest
        // 100 Continue is no answer.
        if (taken.answer.status >= 200) return taken.answer
        continue
      }
      if (this.#ended) return undefined
      const leftMs = untilMs - Date.now()
      if (leftMs <= 0) throw new Error(`no answer within ${timeoutMs} ms`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  close(): void {
    this.socket.destroy()
  }
}

function takeAnswer(bytes: Buffer, toHead: boolean): { answer: RawAnswer; rest: Buffer } | undefined {
  const at = bytes.indexOf('\r\n\r\n')
  if (at === -1) return undefined
  const [statusLine = '', ...fields] = bytes.subarray(0, at).toString('latin1').split('\r\n')
  const headers = Object.fromEntries(
    fields.map((field) => {
      const colon = field.indexOf(':')
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()]
    }),
  )
  const status = Number(statusLine.split(' ')[1])
  const length = toHead || status < 200 || status === 204 ? 0 : Number(headers['content-length'])
  if (Number.isNaN(length)) throw new Error(`an answer without a length: ${bytes.toString('latin1').slice(0, 300)}`)
  const end = at + 4 + length
  if (bytes.length < end) return undefined
  return { answer: { status, headers, body: bytes.subarray(at + 4, end).toString('utf8') }, rest: bytes.subarray(end) }
}

/** Writes one request and takes its answer, on a connection of its own. */
export async function exchange(
  where: number | string,
  bytes: string | Buffer,
  timeoutMs = ANSWER_MS_MAX,
): Promise<RawAnswer | undefined> {
  const client = new RawClient(where).send(bytes)
  try {
    return await client.answer(timeoutMs)
  } finally {
    client.close()
  }
}

/** A request's head with `Host` and an end. */
export function head(method: string, target: string, headers: Record<string, string | number>): string {
  const fields = Object.entries({ Host: 'x', ...headers }).map(([name, value]) => `${name}: ${value}`)
  return `${[`${method} ${target} HTTP/1.1`, ...fields].join('\r\n')}\r\n\r\n`
}
