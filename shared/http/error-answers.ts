import { randomUUID } from 'node:crypto'

import { errorEnvelope, errorHeaders } from './envelope.ts'
import { asHttpError } from './http-error.ts'
import type { HttpError } from './http-error.ts'
import type { Caller } from './endpoint-row.ts'
import type { Answer, Exchange, Wrapper } from './exchange.ts'

/** Whatever is thrown further in becomes the envelope; its error_id finds the request's log line. */
export const errorAnswers: Wrapper = async (exchange, next) => {
  try {
    const answer = await next()
    return addHeaders(exchange, render(answer.failure ? addFailure(exchange, answer, answer.failure) : answer))
  } catch (thrown) {
    return addHeaders(exchange, render(answerError(exchange, asHttpError(thrown))))
  }
}

function addFailure(exchange: Exchange, answer: Answer, failure: HttpError): Answer {
  const { status, json, headers } = answerError(exchange, failure)
  return {
    status,
    json: { ...(answer.json as object), ...(json as object) },
    headers: { ...headers, ...answer.headers },
  }
}

function addHeaders({ answerHeaders }: Exchange, answer: Answer): Answer {
  return { ...answer, headers: { ...answerHeaders, ...answer.headers } }
}

/** The envelope for an error of this exchange, which is remembered as the reason of its answer. */
export function answerError(exchange: Exchange, error: HttpError): Answer {
  const errorId = randomUUID()
  exchange.failure = { error, errorId }
  const status = statusFor(exchange.row.caller, error.status)
  const headers = errorHeaders(error)
  // To a machine it is a plain failure; the time to come back belongs to those who asked to wait.
  if (status !== error.status) delete headers['Retry-After']
  return { status, json: errorEnvelope(error, { errorId, requestId: exchange.requestId }), headers }
}

/** The answer with its body as bytes, made once. @throws when what a handler answered cannot be JSON */
export function render(answer: Answer): Answer {
  if (answer.json === undefined || answer.body !== undefined) return answer
  return { ...answer, body: Buffer.from(JSON.stringify(answer.json)) }
}

/**
 * Cloud Tasks takes a 429 or 503 as a reason to slow the whole queue, and a provider may end its deliveries on a 4xx:
 * to them every failure that a repeat can cure is a plain 500.
 */
function statusFor(caller: Caller, status: number): number {
  const machine = caller === 'tasks' || caller === 'provider'
  return machine && (status === 429 || status > 500) ? 500 : status
}
