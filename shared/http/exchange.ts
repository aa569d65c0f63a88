import type { IncomingMessage, ServerResponse } from 'node:http'
import type * as z from 'zod'

import type { Config } from '../config.ts'
import type { EndpointRow } from './endpoint-row.ts'
import type { Identity, TokenVerifier } from './identity.ts'

/** What a handler answers; the edge turns it into bytes. */
export type Answer = { status: number; json?: unknown; headers?: Record<string, string> }

/** One request on its way through the chain. Wrappers fill it in from the outside inwards. */
export type Exchange = {
  readonly row: EndpointRow
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  readonly requestId: string
  /** performance.now() when the request reached our code. */
  readonly startedAtMs: number
  /** Aborts at the function's deadline, or when the client has gone before its answer was sent. */
  readonly signal: AbortSignal
  /** Durations by name, in ms, for Server-Timing. */
  readonly timings: Map<string, number>
  /** Fields that every log line about this request carries. */
  readonly logFields: Record<string, unknown>
  readonly config: Config
  readonly tokens: TokenVerifier
  readonly inputSchema: z.ZodType
  identity: Identity
  input: unknown
}

export type Wrapper = (exchange: Exchange, next: () => Promise<Answer>) => Promise<Answer>

/** One function out of a list of wrappers, the first outermost, around `innermost`. */
export function compose(wrappers: readonly Wrapper[], exchange: Exchange, innermost: () => Promise<Answer>) {
  return wrappers.reduceRight<() => Promise<Answer>>((next, wrapper) => () => wrapper(exchange, next), innermost)()
}
