import type * as z from 'zod'

import type { Cost } from '../podcast/ports.ts'
import type { CallContext } from '../resilience/call-context.ts'
import type { Account, Explain } from './definition.ts'
import { jsonOf, whatIsWrong } from './parse-json.ts'
import { kindOfStatus, ProviderError } from './provider-error.ts'
import type { ProviderErrorKind } from './provider-error.ts'
import { retryAfterMs } from '../resilience/retry-after.ts'
import { slowAnswers } from './slow-answers.ts'

export type ProviderRequest = {
  provider: string
  operation: string
  method: 'GET' | 'POST' | 'DELETE'
  url: string
  headers: Record<string, string>
  body?: RequestInit['body']
  redirect?: 'manual'
  /** Its answer may take longer than the five minutes that fetch would wait for it. */
  slow?: boolean
  explain?: Explain
}

/** Makes the requests of one provider, all with its address, its key and its way to word a refusal. */
export function requestsOf({ name, config, explain }: Account, headers: Record<string, string>) {
  return (
    operation: string,
    method: ProviderRequest['method'],
    path: string,
    body?: ProviderRequest['body'],
  ): ProviderRequest => ({
    provider: name,
    operation,
    method,
    url: `${config.baseUrl}${path}`,
    headers: { ...headers, ...(typeof body === 'string' && { 'Content-Type': 'application/json' }) },
    explain,
    ...(body !== undefined && { body }),
  })
}

const CHECK_BYTES_MAX = 1024 * 1024

/**
 * Asks for something that is free, to see whether the provider and our account with it are well. Goes around the
 * breaker: it neither counts nor is held back.
 * @throws ProviderError like any call
 */
export async function askForHealth<T>(request: ProviderRequest, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
  const context = { signal, correlationId: 'health', random: Math.random }
  return sendForJson(request, schema, CHECK_BYTES_MAX, context, signal)
}

const ENDED_ALREADY: ReadonlySet<ProviderErrorKind> = new Set(['not_found', 'conflict', 'invalid_input'])

const ERROR_BODY_BYTES_MAX = 64 * 1024
const MESSAGE_CHARS_MAX = 300

/** Sends one request. @throws ProviderError for every answer of 400 or above; what fetch throws is left as it is */
export async function send(request: ProviderRequest, context: CallContext, signal: AbortSignal): Promise<Response> {
  const streams = request.body instanceof ReadableStream
  const response = await fetch(request.url, {
    method: request.method,
    headers: { ...request.headers, 'X-Correlation-Id': context.correlationId },
    redirect: request.redirect ?? 'error',
    signal,
    ...(request.body !== undefined && { body: request.body }),
    ...(streams && { duplex: 'half' }),
    ...(request.slow === true && { dispatcher: slowAnswers() }),
  })
  if (response.status < 400) return response
  const body = (await readBytes(request, response, ERROR_BODY_BYTES_MAX, 'truncate')).toString('utf8')
  throw errorOf(request, response, body)
}

/** Sends one request and parses its JSON answer. @throws ProviderError bad_response when it is not what `schema` says */
export async function sendForJson<T>(
  request: ProviderRequest,
  schema: z.ZodType<T>,
  bytesMax: number,
  context: CallContext,
  signal: AbortSignal,
): Promise<T> {
  const response = await send(request, context, signal)
  const bytes = await readBytes(request, response, bytesMax, 'refuse')
  let value: unknown
  try {
    value = jsonOf(bytes)
  } catch (cause) {
    throw brokenJson(request, response, cause)
  }
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  throw unusable(request, `the answer lacks ${whatIsWrong(parsed.error)}`)
}

/** Whoever says that it sends JSON is the provider, and failed with this one; a page comes from something before it. */
export function brokenJson(request: ProviderRequest, { headers }: Response, cause?: unknown): ProviderError {
  return headers.get('content-type')?.includes('json') === true
    ? unusable(request, 'the answer is broken JSON')
    : badResponse(request, 'the answer is not JSON', cause)
}

/** The answer's bytes, never more than `bytesMax` of them in memory. */
export async function readBytes(
  request: ProviderRequest,
  response: Response,
  bytesMax: number,
  beyond: 'truncate' | 'refuse',
): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of chunksOf(request, response, bytesMax, beyond)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

/** The same as they come. */
export async function* chunksOf(
  request: ProviderRequest,
  response: Response,
  bytesMax: number,
  beyond: 'truncate' | 'refuse',
): AsyncGenerator<Uint8Array> {
  let bytes = 0
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length
    if (bytes > bytesMax) {
      if (beyond === 'truncate') return
      throw badResponse(request, `the answer is larger than ${bytesMax} bytes`)
    }
    yield chunk
  }
}

/** The provider has answered, and charged where it charges, what is of no use. */
export function unusable(request: ProviderRequest, message: string, cost?: Cost): ProviderError {
  const { provider, operation } = request
  return new ProviderError(provider, operation, { kind: 'unusable', message, ...(cost && { cost }) })
}

function badResponse(request: ProviderRequest, message: string, cause?: unknown): ProviderError {
  return new ProviderError(request.provider, request.operation, {
    kind: 'bad_response',
    message,
    cause,
  })
}

function errorOf(request: ProviderRequest, response: Response, body: string): ProviderError {
  const { status } = response
  const waitMs = retryAfterMs(response.headers, Date.now)
  const explained = request.explain?.(status, body) ?? {}
  return new ProviderError(request.provider, request.operation, {
    kind: kindOfStatus(status),
    status,
    // A gateway that gave up waiting: what is behind it may still do, and charge, what it was asked.
    ambiguous: status === 408 || status === 504,
    ...(waitMs !== undefined && { retryAfterMs: waitMs }),
    ...explained,
    message: `${status} ${explained.message ?? ''}`.trim().slice(0, MESSAGE_CHARS_MAX),
  })
}

/** For what is to be gone or ended: a refusal of this one request means that it is. */
export async function ignoreRefusal(call: Promise<unknown>): Promise<void> {
  try {
    await call
  } catch (error) {
    if (!(error instanceof ProviderError && ENDED_ALREADY.has(error.kind))) throw error
  }
}
