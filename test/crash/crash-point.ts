import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'

/**
 * Loaded first by a function process: sees every request that leaves it and changes something elsewhere, by the
 * runtime's own diagnostics channels, and ends or freezes the process at the one that the plan names. Nothing in the
 * product knows of it.
 */
export type Plan = {
  /** Points are counted anew for each run. */
  run: number
  /** Undefined: nothing happens, and every point reached is written down. */
  crash?: Crash | undefined
}
export type Crash = { point: string; side: 'before' | 'after'; signal: 'SIGKILL' | 'SIGSTOP' }

const planFile = new URL(import.meta.url).searchParams.get('plan') ?? ''
const functionName = process.env['FUNCTION_TARGET'] ?? ''
const points = new WeakMap<object, string>()

/** gRPC methods that only read. */
const READS = /\/(BatchGetDocuments|RunQuery|RunAggregationQuery|Listen|GetQueue|BatchWrite)$/

type Undici = { request: { method: string; path: string; origin?: unknown } }
type Http = { request: { method: string; path: string } }
type Http2 = { stream: object; headers: Record<string, string> }

subscribe('undici:request:create', (message) => {
  const { request } = message as Undici
  if (request.method !== 'GET') left(request, `${request.method} ${request.path}`)
})
subscribe('undici:request:headers', (message) => back((message as Undici).request))
subscribe('http.client.request.start', (message) => {
  const { request } = message as Http
  if (request.method !== 'GET') left(request, `${request.method} ${request.path}`)
})
subscribe('http.client.response.finish', (message) => back((message as Http).request))
subscribe('http2.client.stream.created', (message) => {
  const { stream, headers } = message as Http2
  const path = headers[':path'] ?? ''
  if (!READS.test(path)) left(stream, path)
})
subscribe('http2.client.stream.finish', (message) => back((message as Http2).stream))

/** A request is about to leave. */
function left(request: object, what: string): void {
  const plan = planNow()
  if (plan === undefined) return
  const kind = `${functionName} ${normalised(what)}`
  const point = `${kind} #${reachedBefore(plan, kind) + 1}`
  points.set(request, point)
  appendFileSync(reachedFile(plan), `${point}\n`)
  strike(plan, point, 'before')
}

/** Its answer is here, and our code has not seen it. */
function back(request: object): void {
  const point = points.get(request)
  const plan = planNow()
  if (point !== undefined && plan !== undefined) strike(plan, point, 'after')
}

function strike({ run: current, crash }: Plan, point: string, side: string): void {
  if (crash?.point !== point || crash.side !== side) return
  try {
    writeFileSync(`${planFile}.struck.${current}`, String(process.pid), { flag: 'wx' })
  } catch {
    return // Once is enough.
  }
  process.kill(process.pid, crash.signal)
}

function planNow(): Plan | undefined {
  try {
    return JSON.parse(readFileSync(planFile, 'utf8')) as Plan
  } catch {
    return undefined
  }
}

/** How often a kind of request has left in this run, whichever instance sent it. */
function reachedBefore(plan: Plan, kind: string): number {
  try {
    const reached = readFileSync(reachedFile(plan), 'utf8').split('\n')
    return reached.filter((line) => line.startsWith(`${kind} #`)).length
  } catch {
    return 0
  }
}

function reachedFile({ run }: Plan): string {
  return `${planFile}.reached.${run}`
}

/** The same request of another episode, or of another attempt, is the same point. */
function normalised(what: string): string {
  return what
    .replace(/\?.*$/, '')
    .replaceAll(/[0-9a-f]{24}/g, ':episode')
    .replaceAll(/[0-9a-f]{8}-[0-9a-f-]{27}/g, ':id')
    .replaceAll(/(?<=\/(production|transcript|bucket)\/)\w{6,}/g, ':id')
}
