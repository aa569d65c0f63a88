import type { IncomingHttpHeaders } from 'node:http'

const TRACE_CONTEXT_CHARS_MAX = 200

/**
 * The fields by which Cloud Logging ties a line to the platform's trace: from W3C `traceparent`
 * (https://www.w3.org/TR/trace-context/), else from `X-Cloud-Trace-Context: TRACE/SPAN;o=1`, whose span is decimal.
 */
export function traceFields(headers: IncomingHttpHeaders, projectId: string): Record<string, unknown> {
  const found = fromTraceparent(headers['traceparent']) ?? fromCloudTrace(headers['x-cloud-trace-context'])
  if (found === undefined) return {}
  return {
    'logging.googleapis.com/trace': `projects/${projectId}/traces/${found.traceId}`,
    ...(found.spanId !== undefined && { 'logging.googleapis.com/spanId': found.spanId }),
    'logging.googleapis.com/trace_sampled': found.sampled,
  }
}

type Trace = { traceId: string; spanId: string | undefined; sampled: boolean }

function fromTraceparent(header: string | string[] | undefined): Trace | undefined {
  if (typeof header !== 'string' || header.length > TRACE_CONTEXT_CHARS_MAX) return undefined
  const [, version, traceId, spanId, flags] =
    /^([\da-f]{2})-([\da-f]{32})-([\da-f]{16})-([\da-f]{2})(?:-.*)?$/.exec(header) ?? []
  if (traceId === undefined || version === 'ff' || isZero(traceId) || isZero(spanId ?? '')) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags ?? '0', 16) & 1) === 1 }
}

function fromCloudTrace(header: string | string[] | undefined): Trace | undefined {
  if (typeof header !== 'string' || header.length > TRACE_CONTEXT_CHARS_MAX) return undefined
  const [, traceId, span, sampled] = /^([\da-f]{32})(?:\/(\d{1,20}))?(?:;o=([01]))?$/i.exec(header) ?? []
  if (traceId === undefined || isZero(traceId)) return undefined
  const spanId = span === undefined ? undefined : BigInt.asUintN(64, BigInt(span)).toString(16).padStart(16, '0')
  return { traceId: traceId.toLowerCase(), spanId, sampled: sampled === '1' }
}

function isZero(hex: string): boolean {
  return /^0+$/.test(hex)
}
