import { randomUUID } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Readable } from 'node:stream'
import type * as z from 'zod'

import type { Dependencies } from '../dependencies.ts'
import { AppError } from '../errors/app-error.ts'
import { asAppError, errorEnvelope, errorHeaders } from '../errors/envelope.ts'
import { errorFields, log } from '../telemetry/log.ts'
import { boundedBody } from './body.ts'
import { callerCheck } from './caller.ts'
import type { EndpointRow } from './endpoint-row.ts'
import { errorAnswers } from './error-answers.ts'
import { compose } from './exchange.ts'
import type { Answer, Exchange, Wrapper } from './exchange.ts'
import { inputParsing } from './input.ts'
import { methodCheck } from './method.ts'
import { measured, timing } from './timing.ts'

/** What a handler gets to see of a request. */
type Call<Input> = {
  readonly input: Input
  readonly signal: AbortSignal
  readonly requestId: string
  /** The signed-in person. @throws AppError unauthenticated when the function's caller is not `user` */
  readonly userId: string
  /** One request header, at most once. */
  readonly header: (name: string) => string | undefined
  /** The unread body of a `stream` function, bounded. */
  readonly body: () => Readable
}

export type EndpointSpec<Schema extends z.ZodType> = {
  input: Schema
  handle: (call: Call<z.output<Schema>>, dependencies: Dependencies) => Promise<Answer>
}

export type HttpFunction = (request: IncomingMessage, response: ServerResponse) => Promise<void>

/**
 * The chain around every handler, outermost first. The places between caller and input belong to the rate limit, the
 * size limit, idempotency keys and quotas.
 */
const CHAIN: readonly Wrapper[] = [timing, errorAnswers, methodCheck, callerCheck, inputParsing]

/**
 * One deployed HTTP function: its row of the table and its handler, inside the chain.
 * @param dependencies builds, or returns again, what handlers work with
 */
export function createEndpoint<Schema extends z.ZodType>(
  row: EndpointRow,
  spec: EndpointSpec<Schema>,
  dependencies: () => Dependencies,
): HttpFunction {
  return async (request, response) => {
    const requestId = acceptableRequestId(request.headers['x-request-id']) ?? randomUUID()
    try {
      const built = dependencies()
      const exchange = openExchange(row, spec.input, request, response, requestId, built)
      const call = callOf<z.output<Schema>>(exchange)
      await send(
        request,
        response,
        await compose(CHAIN, exchange, () => measured(exchange, 'handler', spec.handle(call, built))),
      )
    } catch (thrown) {
      const errorId = randomUUID()
      log('CRITICAL', 'request.edge_failed', { function: row.name, requestId, errorId, error: errorFields(thrown) })
      const error = asAppError(thrown)
      const json = errorEnvelope(error, { errorId, requestId })
      await send(request, response, {
        status: 500,
        json,
        headers: { ...errorHeaders(error), 'X-Request-Id': requestId },
      })
    }
  }
}

function openExchange(
  row: EndpointRow,
  inputSchema: z.ZodType,
  request: IncomingMessage,
  response: ServerResponse,
  requestId: string,
  { config, tokens }: Dependencies,
): Exchange {
  return {
    row,
    request,
    response,
    requestId,
    inputSchema,
    config,
    tokens,
    url: new URL(request.url ?? '/', 'http://function'),
    startedAtMs: performance.now(),
    signal: requestSignal(row, response),
    timings: new Map(),
    logFields: { function: row.name, method: request.method, requestId, ...traceFields(request, config.projectId) },
    identity: { kind: 'anonymous' },
    input: undefined,
  }
}

/** The answer must be on its way before the platform ends the request. */
const DEADLINE_MARGIN_SECONDS = 2

function requestSignal(row: EndpointRow, response: ServerResponse): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new AppError('timeout', { technical: 'The client has gone' }))
  })
  const deadlineMs = Math.max(1, row.timeoutSeconds - DEADLINE_MARGIN_SECONDS) * 1000
  return AbortSignal.any([gone.signal, AbortSignal.timeout(deadlineMs)])
}

function callOf<Input>(exchange: Exchange): Call<Input> {
  const { row, request, config } = exchange
  return {
    signal: exchange.signal,
    requestId: exchange.requestId,
    get input() {
      return exchange.input as Input
    },
    get userId() {
      if (exchange.identity.kind !== 'user') throw new AppError('unauthenticated')
      return exchange.identity.userId
    },
    header(name) {
      const value = request.headers[name.toLowerCase()]
      return Array.isArray(value) ? value[0] : value
    },
    body: () => boundedBody(request, Math.min(row.bodyBytesMax, config.bodyBytesMax)),
  }
}

async function send(request: IncomingMessage, response: ServerResponse, answer: Answer): Promise<void> {
  if (response.headersSent || response.destroyed) return
  const body = answer.json === undefined ? undefined : Buffer.from(JSON.stringify(answer.json))
  response.writeHead(answer.status, {
    ...answer.headers,
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...(body && { 'Content-Type': 'application/json; charset=utf-8', 'Content-Length': body.length }),
  })
  await new Promise<void>((resolve) => {
    response.once('close', resolve)
    response.end(body)
    // What nobody has read must not stand before the connection's next request.
    if (!request.complete) request.unpipe().resume()
  })
}

function acceptableRequestId(header: string | string[] | undefined): string | undefined {
  return typeof header === 'string' && /^[\w.-]{1,64}$/.test(header) ? header : undefined
}

/** Fields that tie our log lines to the platform's trace of the request (W3C traceparent). */
function traceFields(request: IncomingMessage, projectId: string): Record<string, string> {
  const traceId = /^00-([\da-f]{32})-/.exec(String(request.headers['traceparent'] ?? ''))?.[1]
  return traceId === undefined ? {} : { 'logging.googleapis.com/trace': `projects/${projectId}/traces/${traceId}` }
}
