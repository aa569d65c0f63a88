import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

import { questionOf } from '../../../../infra/smoke/recorder.ts'
import { misencode, tamper } from './mutate.ts'

/** An answer as it was once given. */
export type Canned = { readonly status: number; readonly headers: Record<string, string>; readonly body: Buffer }

/** Stands in what was recorded for wherever it is given again. */
export const HERE = 'http://here.invalid'

/** An answer as it is given by a server at this origin: links in it lead there. */
export function placeAt({ status, headers, body }: Canned, origin: string): Canned {
  const placed = Object.entries(headers).map(([name, value]) => [name, value.replaceAll(HERE, origin)])
  const isJson = headers['content-type']?.includes('json') === true
  return {
    status,
    headers: Object.fromEntries(placed),
    body: isJson ? Buffer.from(body.toString().replaceAll(HERE, origin)) : body,
  }
}

const MAKES_A_JOB = /^POST (\/v2\/transcript|.*\/productions\.json)$/
/** Of what is tampered with, share whose encoding is wrong. */
const MISENCODED_SHARE = 0.15
const JSON_IN_TEXT_SHARE = 0.6

/**
 * A provider that gives good answers again: to each kind of request those that were once given, in order, the last of
 * them for ever. What makes a job begins all of them anew.
 */
export class CannedProvider {
  /** Undefined: every answer is as it was. */
  random: (() => number) | undefined
  /** Answers in its place where it can; undefined: the request is answered as it was recorded. */
  instead:
    ((question: string, request: IncomingMessage) => ((response: ServerResponse) => void) | undefined) | undefined
  /** Requests so far, by kind. */
  readonly asked = new Map<string, number>()
  /** Answers that were tampered with. */
  tampered = 0
  readonly #canned: ReadonlyMap<string, readonly Canned[]>
  readonly #tamperedShare: number
  readonly #given = new Map<string, number>()
  readonly #server = createServer((request, response) => void this.#answer(request, response))

  /** @param tamperedShare of the answers, while they are tampered with */
  constructor(canned: ReadonlyMap<string, readonly Canned[]>, tamperedShare: number) {
    this.#canned = canned
    this.#tamperedShare = tamperedShare
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return this.origin
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }

  /** A new life: nothing has been asked yet. */
  forget(random: (() => number) | undefined): void {
    this.random = random
    this.asked.clear()
    this.#given.clear()
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume()
    const question = questionOf(request.method ?? '', request.url ?? '')
    this.asked.set(question, (this.asked.get(question) ?? 0) + 1)
    const staged = this.instead?.(question, request)
    if (staged !== undefined) return staged(response)
    if (MAKES_A_JOB.test(question)) this.#given.clear()
    const known = this.#canned.get(question) ?? []
    const times = this.#given.get(question) ?? 0
    this.#given.set(question, times + 1)
    const found = known[Math.min(times, known.length - 1)]
    if (found === undefined) {
      response.writeHead(404, { 'Content-Type': 'application/json' }).end('{"error":"nothing like this was recorded"}')
      return
    }
    const { status, headers, body } = placeAt(found, this.origin)
    response.writeHead(status, headers).end(this.#tamper(headers['content-type'] ?? '', body))
  }

  #tamper(contentType: string, body: Buffer): Buffer {
    const { random } = this
    if (random === undefined || random() > this.#tamperedShare || body.length === 0) return body
    this.tampered++
    if (!contentType.includes('json')) return body.subarray(0, Math.floor(random() * body.length))
    if (random() < MISENCODED_SHARE) return misencode(body.toString(), random)
    const value = JSON.parse(body.toString()) as unknown
    return Buffer.from(JSON.stringify(this.#tamperText(value, random) ?? tamper(value, random)))
  }

  /** Where the answer that counts is JSON inside of a text, as a model gives it, that is what is tampered with. */
  #tamperText(value: unknown, random: () => number): unknown {
    const parts = (value as { candidates?: { content?: { parts?: { text?: string }[] } }[] }).candidates?.[0]?.content
      ?.parts
    const part = parts?.find(({ text }) => text?.startsWith('{'))
    if (part?.text === undefined || random() > JSON_IN_TEXT_SHARE) return undefined
    const tampered = JSON.stringify(tamper(JSON.parse(part.text), random))
    part.text = random() < MISENCODED_SHARE ? misencode(tampered, random).toString() : tampered
    return value
  }
}
