import { errorFields, log } from '../telemetry/log.ts'
import type { LogFields, Severity } from '../telemetry/log.ts'
import type { Answer, Exchange } from './exchange.ts'

const USER_AGENT_CHARS_MAX = 200

/** As nginx has it: the client left before its answer. Appears in the log only. */
const CLIENT_GONE = 499

const ERROR_EVENT_TYPE = 'type.googleapis.com/google.devtools.clouderrorreporting.v1beta1.ReportedErrorEvent'

/** The one line about a request, in Cloud Logging's own fields; for a 5xx in the shape Error Reporting groups by. */
export function logRequest(
  exchange: Exchange,
  answer: Answer,
  totalMs: number,
  partsMs: readonly (readonly [string, number])[],
): void {
  const gone = exchange.response.destroyed
  const status = gone ? CLIENT_GONE : answer.status
  const { failure, row, request, dependencies } = exchange
  const { event, severity } = judgeRequest(exchange, status, totalMs)
  if (severity === 'INFO' && !dependencies.config.logEveryRequest) return
  log(severity, event, {
    message: `${request.method} ${row.name} ${status} in ${totalMs.toFixed(1)} ms`,
    route: `${request.method} /${row.name}`,
    httpRequest: httpRequest(exchange, answer, status, totalMs),
    durationMs: roundMs(totalMs),
    bodyBytes: countBodyBytes(exchange),
    partsMs: Object.fromEntries(partsMs.map(([name, ms]) => [name, roundMs(ms)])),
    ...(failure && failureFields(exchange, failure, status)),
  })
}

/** What its line is called, and how much it matters. */
export function judgeRequest(
  { row, dependencies, failure }: Exchange,
  status: number,
  totalMs: number,
): { event: string; severity: Severity } {
  const { slow, verySlow } = slowFromMs({ row, dependencies })
  if (failure !== undefined && status >= 500) return { event: 'request.failed', severity: 'ERROR' }
  if (totalMs >= verySlow) return { event: 'request.very_slow', severity: 'ERROR' }
  if (totalMs >= slow) return { event: 'request.slow', severity: 'WARNING' }
  if (failure !== undefined) return { event: 'request.refused', severity: 'NOTICE' }
  return { event: 'request.handled', severity: 'INFO' }
}

/**
 * https://docs.cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#HttpRequest, without the query: a webhook's
 * carries its token.
 */
function httpRequest(exchange: Exchange, answer: Answer, status: number, totalMs: number): LogFields {
  const { request, row, dependencies } = exchange
  const userAgent = request.headers['user-agent']?.slice(0, USER_AGENT_CHARS_MAX)
  return {
    requestMethod: request.method,
    requestUrl: `${dependencies.config.functionsBaseUrl}/${row.name}`,
    requestSize: String(countBodyBytes(exchange)),
    status,
    responseSize: String(answer.body?.length ?? 0),
    ...(userAgent !== undefined && { userAgent }),
    latency: `${(totalMs / 1000).toFixed(6)}s`,
    protocol: `HTTP/${request.httpVersion}`,
  }
}

/** What came of the body, or was announced. */
function countBodyBytes({ body }: Exchange): number {
  return Math.max(body.receivedBytes, body.declaredBytes ?? 0)
}

function failureFields(
  { row, request, dependencies, scope }: Exchange,
  { error, errorId }: NonNullable<Exchange['failure']>,
  status: number,
): LogFields {
  const labels = scope.logFields['logging.googleapis.com/labels'] as Record<string, string>
  const fields = {
    'logging.googleapis.com/labels': { ...labels, error_id: errorId },
    error_id: errorId,
    code: error.code,
    technical: error.technical,
  }
  if (status < 500) return fields
  const shown = errorFields(error)
  return {
    ...fields,
    '@type': ERROR_EVENT_TYPE,
    serviceContext: {
      service: process.env['K_SERVICE'] ?? row.name,
      version: process.env['K_REVISION'] ?? 'local',
    },
    context: {
      httpRequest: {
        method: request.method,
        url: `${dependencies.config.functionsBaseUrl}/${row.name}`,
        responseStatusCode: status,
      },
    },
    // What was thrown first tells more than what it became.
    stack_trace: (shown['cause'] as LogFields | undefined)?.['stack'] ?? shown['stack'],
    error: shown,
  }
}

function roundMs(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/** When this function's request is slow, and very slow, in ms. */
function slowFromMs({ row, dependencies }: Pick<Exchange, 'row' | 'dependencies'>): { slow: number; verySlow: number } {
  const { slowRequestMs, verySlowRequestMs } = dependencies.config
  return row.slowSeconds === undefined
    ? { slow: slowRequestMs, verySlow: verySlowRequestMs }
    : { slow: row.slowSeconds.slow * 1000, verySlow: row.slowSeconds.verySlow * 1000 }
}
