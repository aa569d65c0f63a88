import { log } from '../telemetry/log.ts'
import type { Answer, Exchange, Wrapper } from './exchange.ts'

/** X-Request-Id, X-Response-Time and Server-Timing on every answer; one log line each, louder when slow. */
export const timing: Wrapper = async (exchange, next) => {
  const answer = await next()
  const durationMs = performance.now() - exchange.startedAtMs
  report(exchange, answer, durationMs)
  return {
    ...answer,
    headers: {
      ...answer.headers,
      'X-Request-Id': exchange.requestId,
      'X-Response-Time': `${durationMs.toFixed(3)}ms`,
      'Server-Timing': serverTiming(exchange.timings, durationMs),
    },
  }
}

/** Measures one part of the way under a name of Server-Timing. */
export async function measured<T>({ timings }: Exchange, name: string, work: Promise<T>): Promise<T> {
  const startedAtMs = performance.now()
  try {
    return await work
  } finally {
    timings.set(name, performance.now() - startedAtMs)
  }
}

function serverTiming(timings: ReadonlyMap<string, number>, totalMs: number): string {
  return [...timings, ['total', totalMs] as const].map(([name, ms]) => `${name};dur=${ms.toFixed(3)}`).join(', ')
}

function report(exchange: Exchange, answer: Answer, durationMs: number): void {
  const { slowRequestMs, verySlowRequestMs } = exchange.config
  const fields = { ...exchange.logFields, status: answer.status, durationMs: Math.round(durationMs) }
  if (durationMs > verySlowRequestMs) log('WARNING', 'request.very_slow', fields)
  else if (durationMs > slowRequestMs) log('NOTICE', 'request.slow', fields)
  else log('INFO', 'request.handled', fields)
}
