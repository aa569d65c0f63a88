import { randomUUID } from 'node:crypto'

import type { AppError } from '../errors/app-error.ts'
import { asAppError, errorEnvelope, errorHeaders } from '../errors/envelope.ts'
import { errorFields, log } from '../telemetry/log.ts'
import type { Caller } from './endpoint-row.ts'
import type { Answer, Exchange, Wrapper } from './exchange.ts'

/** Whatever is thrown further in becomes the envelope, and a log line under the same error_id. */
export const errorAnswers: Wrapper = async (exchange, next) => {
  try {
    return await next()
  } catch (thrown) {
    return errorAnswer(exchange, asAppError(thrown))
  }
}

function errorAnswer(exchange: Exchange, error: AppError): Answer {
  const errorId = randomUUID()
  const status = statusFor(exchange.row.caller, error.status)
  log(status >= 500 ? 'ERROR' : 'INFO', 'request.failed', {
    ...exchange.logFields,
    status,
    errorId,
    code: error.code,
    technical: error.technical,
    ...(status >= 500 && { error: errorFields(error) }),
  })
  return {
    status,
    json: errorEnvelope(error, { errorId, requestId: exchange.requestId }),
    headers: errorHeaders(error),
  }
}

/**
 * Cloud Tasks takes a 429 or 503 as a reason to slow the whole queue, and a provider may end its deliveries on a 4xx:
 * to them every failure that a repeat can cure is a plain 500.
 */
function statusFor(caller: Caller, status: number): number {
  const machine = caller === 'tasks' || caller === 'provider'
  return machine && (status === 429 || status > 500) ? 500 : status
}
