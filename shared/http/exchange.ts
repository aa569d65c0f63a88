import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type * as z from 'zod'

import type { Config } from '../config.ts'
import type { HttpError } from './http-error.ts'
import type { KeyBudget } from '../quotas/key-budget.ts'
import type { RateLimiter } from '../quotas/rate-limiter.ts'
import { Parts } from '../telemetry/scope.ts'
import type { Scope } from '../telemetry/scope.ts'
import { traceFields } from '../telemetry/trace.ts'
import { RequestBody } from './body.ts'
import type { EndpointRow } from './endpoint-row.ts'
import type { IdempotencyRecords } from './idempotency-record.ts'
import type { Identity, TokenVerifier } from './identity.ts'
import { newOperationId } from './operation.ts'
import type { Operation } from './operation.ts'
import type { Arrival } from './arrival.ts'

/** What a handler answers; the edge turns it into bytes. */
export type Answer = {
  status: number
  json?: unknown
  body?: Buffer
  headers?: Record<string, string>
  /** Says that it failed, and more: `json` is told beside the error. */
  failure?: HttpError
}

/** The settings the edge itself goes by. */
export type EdgeConfig = Pick<
  Config,
  | 'projectId'
  | 'functionsBaseUrl'
  | 'tasksServiceAccount'
  | 'schedulerServiceAccount'
  | 'bodyBytesMax'
  | 'corsAllowedOrigins'
  | 'logEveryRequest'
  | 'slowRequestMs'
  | 'verySlowRequestMs'
  | 'defaultPlan'
>

/** What the chain around every handler works with. */
export type ChainDependencies = {
  config: EdgeConfig
  tokens: TokenVerifier
  idempotency: IdempotencyRecords
  rates: Pick<RateLimiter, 'take'>
  keys: Pick<KeyBudget, 'use'>
  /** The store's time; what this machine believes until the store has answered. */
  now: () => number
}

/** What an exchange begins with. */
export type ExchangeStart = {
  readonly row: EndpointRow
  readonly inputSchema: z.ZodType
  readonly dependencies: ChainDependencies
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly arrival: Arrival
}

/** One request on its way through the chain. Wrappers fill it in from the outside inwards. */
export type Exchange = ExchangeStart & {
  readonly path: string
  readonly query: string
  readonly requestId: string
  readonly body: RequestBody
  /** Aborts at the function's deadline, at a shutdown, or when the client has gone before its answer was sent. */
  readonly signal: AbortSignal
  /** Ends the exchange early with this as the reason. */
  readonly abort: (reason: unknown) => void
  readonly scope: Scope
  operation: Operation
  identity: Identity
  /** What the function's schema let through; the rest of what came is forgotten. */
  input: unknown
  /** Hash of the input as it came, where an Idempotency-Key came with it. */
  fingerprint: string | undefined
  /** Headers of whatever the answer will be. */
  readonly answerHeaders: Record<string, string>
  /** Why the answer is what it is, for the log. */
  failure?: { error: HttpError; errorId: string }
  /** The work that was begun; it may outlive its answer. */
  work?: Promise<unknown>
}

export type Wrapper = (exchange: Exchange, next: () => Promise<Answer>) => Promise<Answer>

/** One function out of a list of wrappers, the first outermost, around `innermost`. */
export function compose(wrappers: readonly Wrapper[], exchange: Exchange, innermost: () => Promise<Answer>) {
  return wrappers.reduceRight<() => Promise<Answer>>((next, wrapper) => () => wrapper(exchange, next), innermost)()
}

export function openExchange(start: ExchangeStart): Exchange {
  const { row, dependencies, request } = start
  const controller = new AbortController()
  const abort = (reason: unknown) => controller.abort(reason ?? new Error('aborted without a reason'))
  const requestId = acceptableRequestId(request.headers['x-request-id']) ?? randomUUID()
  const [path, query] = pathAndQuery(request.url ?? '/')
  const scope: Scope = {
    parts: new Parts(),
    abort,
    logFields: {
      ...traceFields(request.headers, dependencies.config.projectId),
      'logging.googleapis.com/labels': labels(row, request, requestId),
      requestId,
      function: row.name,
    },
  }
  return {
    ...start,
    path,
    query,
    requestId,
    body: new RequestBody({ ...start, bytesMaxOverall: dependencies.config.bodyBytesMax, parts: scope.parts }),
    signal: controller.signal,
    abort,
    scope,
    operation: { id: newOperationId(), keyed: false, resumed: false },
    identity: { kind: 'anonymous' },
    input: undefined,
    fingerprint: undefined,
    answerHeaders: {},
  }
}

function labels({ name }: EndpointRow, request: IncomingMessage, requestId: string): Record<string, string> {
  const executionId = request.headers['function-execution-id']
  const known = typeof executionId === 'string' && /^[\w-]{1,64}$/.test(executionId)
  return { function: name, request_id: requestId, ...(known && { execution_id: executionId }) }
}

/** By hand, because a URL parser refuses some of what a client may write in its request line. */
function pathAndQuery(target: string): [string, string] {
  const withoutOrigin = target.replace(/^https?:\/\/[^/?#]*/i, '')
  const at = withoutOrigin.indexOf('?')
  return at === -1 ? [withoutOrigin || '/', ''] : [withoutOrigin.slice(0, at) || '/', withoutOrigin.slice(at + 1)]
}

function acceptableRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[\w.-]{1,64}$/.test(header) ? header : undefined
}
