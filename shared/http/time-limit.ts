import { HttpError } from './http-error.ts'
import { errorFields, log } from '../telemetry/log.ts'
import type { Wrapper } from './exchange.ts'
import { processEnd } from './process-end.ts'

/** The answer must be on its way before the platform ends the request. */
const MARGIN_SECONDS = 2

const RETRY_AFTER_SECONDS = 1

/** An instance that is about to end takes nothing new. */
export const shutdownCheck: Wrapper = async (_exchange, next) => {
  if (processEnd.draining)
    throw new HttpError('service_unavailable', {
      technical: 'The instance is shutting down',
      retryAfterSeconds: RETRY_AFTER_SECONDS,
      headers: { Connection: 'close' },
    })
  return next()
}

/**
 * Answers as soon as the exchange is aborted, whatever the work further in does: at the function's deadline (504), at a
 * shutdown, for an error nobody caught, or because the client has gone. The work hears of it through its signal.
 */
export const timeLimit: Wrapper = async (exchange, next) => {
  const { row, response, signal, abort } = exchange
  const limitSeconds = Math.max(1, row.timeoutSeconds - MARGIN_SECONDS)
  const timer = setTimeout(
    () => abort(new HttpError('timeout', { technical: `Not done within ${limitSeconds} s` })),
    limitSeconds * 1000,
  )
  const onClose = () => {
    if (!response.writableFinished) abort(new HttpError('timeout', { technical: 'The client has gone' }))
  }
  response.once('close', onClose)
  const work = next()
  exchange.work = work
  try {
    return await Promise.race([work, rejectOnAbort(signal)])
  } catch (error) {
    if (signal.aborted) logLateEnd(work)
    throw error
  } finally {
    clearTimeout(timer)
    response.off('close', onClose)
  }
}

async function rejectOnAbort(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    const fail = () => reject(signal.reason as Error)
    if (signal.aborted) fail()
    else signal.addEventListener('abort', fail, { once: true })
  })
}

/** Work that does not heed its signal is a defect worth finding. */
function logLateEnd(work: Promise<unknown>): void {
  const answeredAtMs = performance.now()
  const logEnd = (error?: unknown) => {
    const lateMs = Math.round(performance.now() - answeredAtMs)
    if (lateMs > 1000)
      log('WARNING', 'request.worked_on', {
        lateMs,
        ...(error !== undefined && { error: errorFields(error) }),
      })
  }
  work.then(() => logEnd(), logEnd)
}
