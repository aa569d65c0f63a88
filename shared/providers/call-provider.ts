import type { CircuitBreaker } from '../breaker/breaker.ts'
import { ServiceUnavailable } from '../errors/unavailable.ts'
import type { Cost } from '../podcast/ports.ts'
import type { CallContext } from '../resilience/call-context.ts'
import type { ConcurrencyLimit } from '../resilience/concurrency-limit.ts'
import { withRetries } from '../resilience/retry.ts'
import type { RetryBudget } from '../resilience/retry-budget.ts'
import { log } from '../telemetry/log.ts'
import { timePart } from '../telemetry/scope.ts'
import { ProviderError } from './provider-error.ts'
import type { ProviderErrorKind } from './provider-error.ts'

/** What stands between us and one provider. */
export type Guard = {
  provider: string
  breaker: CircuitBreaker
  limit: ConcurrencyLimit
  budget: RetryBudget
  /** Share of its time that a call is given; all of it when absent. */
  patience?: number
}

export type ProviderCall<T> = {
  guard: Guard
  operation: string
  attemptTimeoutMs: number
  /** How often it may be sent in all. 1 for calls that are charged or create something. */
  attemptsMax: number
  /** Attempts and backoffs together; three attempts' worth when absent. */
  totalTimeoutMs?: number
  /** What is known of its cost before it is sent; absent: it is free. Recorded before it leaves. */
  charges?: Cost
  attempt: (signal: AbortSignal) => Promise<T>
}

const BACKOFF = { baseMs: 250, capMs: 2000 }
/** A probe's lease outlives its call, so that the call's own timeout ends it. */
const LEASE_MARGIN_MS = 2000
const NEEDS_OPERATOR: ReadonlySet<ProviderErrorKind> = new Set(['auth', 'billing', 'misconfigured'])
const REPEATABLE: ReadonlySet<ProviderErrorKind> = new Set(['overloaded', 'network', 'timeout'])

/**
 * The one way to call a provider: bounded repeat, breaker, deadline, attempt, classification. The breaker is inside the
 * loop, so that every single request is counted and none is sent after it has opened.
 * @throws ProviderError for every failure of the provider
 * @throws BreakerOpenError when the request was not sent
 * @throws the signal's reason when the caller's own time is up; ServiceUnavailable when what was to be sent could not be
 * read from a service of ours
 */
export async function callProvider<T>(call: ProviderCall<T>, context: CallContext): Promise<T> {
  const { attemptsMax, guard } = call
  const attemptTimeoutMs = call.attemptTimeoutMs * (guard.patience ?? 1)
  const totalTimeoutMs = call.totalTimeoutMs ?? attemptTimeoutMs * Math.min(attemptsMax, 3)
  const policy = { attemptsMax, attemptTimeoutMs, totalTimeoutMs, backoff: BACKOFF }
  const send = (timeoutMs: number) =>
    guard.breaker.execute((signal) => attempt(call, context, signal, timeoutMs), context.signal, {
      leaseMs: timeoutMs + LEASE_MARGIN_MS,
    })
  return withRetries(send, policy, { ...context, budget: guard.budget, mayRepeat })
}

function mayRepeat(error: unknown): boolean {
  return error instanceof ProviderError && REPEATABLE.has(error.kind) && error.retryAfterMs === undefined
}

/** Sends it once. @throws ProviderError, whatever the way in which it failed */
async function attempt<T>(
  call: ProviderCall<T>,
  context: CallContext,
  guarded: AbortSignal,
  timeoutMs: number,
): Promise<T> {
  const { provider, limit } = call.guard
  const leave = limit.enter()
  if (leave === undefined) {
    const message = `as many calls at once as it lets us make (${limit.most})`
    throw new ProviderError(provider, call.operation, { kind: 'at_capacity', message })
  }
  try {
    if (call.charges !== undefined) await context.beforeCharge?.(call.charges)
    context.signal.throwIfAborted()
    context.stillEntitled?.()
    return await sendOnce(call, context, guarded, timeoutMs)
  } finally {
    leave()
  }
}

async function sendOnce<T>(
  call: ProviderCall<T>,
  context: CallContext,
  guarded: AbortSignal,
  timeoutMs: number,
): Promise<T> {
  const { limit } = call.guard
  const startedAtMs = performance.now()
  const answered = context.progress?.expectQuiet(timeoutMs)
  try {
    const signal = AbortSignal.any([guarded, AbortSignal.timeout(timeoutMs)])
    const result = await timePart('provider', () => call.attempt(signal))
    limit.countSuccess()
    logCall(call, context, startedAtMs)
    return result
  } catch (thrown) {
    context.signal.throwIfAborted()
    const error = classify(call, thrown)
    if (error.kind === 'at_capacity') limit.lower()
    logCall(call, context, startedAtMs, error)
    throw error
  } finally {
    answered?.()
  }
}

/** Errors that mean the request never left: nothing can have been carried out. */
const NEVER_SENT = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'UND_ERR_CONNECT_TIMEOUT',
])

function classify(call: ProviderCall<unknown>, thrown: unknown): ProviderError {
  if (thrown instanceof ProviderError) return thrown
  const ours = causeOf(thrown, (error) => error instanceof ServiceUnavailable)
  if (ours !== undefined) throw ours
  if (thrown instanceof DOMException && thrown.name === 'TimeoutError') {
    const message = `no answer within ${call.attemptTimeoutMs} ms`
    return new ProviderError(call.guard.provider, call.operation, {
      kind: 'timeout',
      message,
      ambiguous: true,
      cause: thrown,
    })
  }
  const code = codeOf(thrown)
  // What is wrong with us must not look like a network's.
  if (thrown instanceof RangeError || (code === undefined && !(thrown instanceof TypeError))) throw thrown
  return new ProviderError(call.guard.provider, call.operation, {
    kind: 'network',
    message: `connection failed (${code ?? 'unknown'})`,
    ambiguous: code === undefined || !NEVER_SENT.has(code),
    cause: thrown,
  })
}

function codeOf(thrown: unknown): string | undefined {
  const coded: NodeJS.ErrnoException | undefined = causeOf(
    thrown,
    ({ code }: NodeJS.ErrnoException) => typeof code === 'string',
  )
  return coded?.code
}

/** The error itself, or the first of its causes, of which something is true. */
function causeOf(thrown: unknown, isIt: (error: Error) => boolean): Error | undefined {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++)
    if (isIt(error)) return error
  return undefined
}

function logCall(call: ProviderCall<unknown>, context: CallContext, startedAtMs: number, error?: ProviderError): void {
  const fields = {
    provider: call.guard.provider,
    operation: call.operation,
    correlationId: context.correlationId,
    durationMs: Math.round(performance.now() - startedAtMs),
  }
  if (error === undefined) log('INFO', 'provider.answered', fields)
  else {
    const needsOperator = NEEDS_OPERATOR.has(error.kind)
    const { kind, status, message, ambiguous } = error
    log(needsOperator ? 'ERROR' : 'WARNING', 'provider.failed', {
      ...fields,
      kind,
      status,
      ambiguous,
      technical: message,
    })
  }
}
