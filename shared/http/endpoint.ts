import type { Readable } from 'node:stream'
import type * as z from 'zod'

import { asHttpError, HttpError } from './http-error.ts'
import { limitsOf } from '../quotas/plans.ts'
import type { Limits } from '../quotas/plans.ts'
import { errorFields, log } from '../telemetry/log.ts'
import { runInScope } from '../telemetry/scope.ts'
import { send } from './answer.ts'
import { callerCheck } from './caller.ts'
import { cors } from './cors.ts'
import type { EndpointRow } from './endpoint-row.ts'
import { errorAnswers } from './error-answers.ts'
import { compose, openExchange } from './exchange.ts'
import type { Answer, ChainDependencies, Exchange, Wrapper } from './exchange.ts'
import { idempotency } from './idempotency.ts'
import { inputParsing } from './input.ts'
import { rateLimit } from './rate-limit.ts'
import type { Operation } from './operation.ts'
import { plainAnswer } from './plain-answer.ts'
import { processEnd } from './process-end.ts'
import { routeCheck } from './route.ts'
import type { Serve } from './arrival.ts'
import { shutdownCheck, timeLimit } from './time-limit.ts'
import { timing } from './timing.ts'

/** What a handler gets to see of a request. */
type Call<Input> = {
  /** Undefined in a GET of a function that also takes POST. */
  readonly input: Input
  readonly method: 'GET' | 'POST'
  readonly signal: AbortSignal
  readonly requestId: string
  /** The signed-in person. @throws HttpError unauthenticated when the function's caller is not `user` */
  readonly userId: string
  /** What their plan lets them use. */
  readonly limits: Limits
  /** What makes an effect happen once: the same in every try with one Idempotency-Key. */
  readonly operation: Operation
  /** One request header, at most once. */
  readonly header: (name: string) => string | undefined
  /** The unread body of a `stream` function, bounded. */
  readonly body: () => Readable
}

export type EndpointSpec<Schema extends z.ZodType, Dependencies> = {
  input: Schema
  handle: (call: Call<z.output<Schema>>, dependencies: Dependencies) => Promise<Answer>
}

/**
 * The chain around every handler, outermost first. Quotas are reserved by what handlers do, which knows how much it is.
 */
const CHAIN: readonly Wrapper[] = [
  timing,
  cors,
  errorAnswers,
  shutdownCheck,
  routeCheck,
  timeLimit,
  callerCheck,
  rateLimit,
  inputParsing,
  idempotency,
]

/**
 * One deployed HTTP function: its row of the table and its handler, inside the chain.
 * @param build makes, or returns again, what handlers work with
 */
export function createEndpoint<Schema extends z.ZodType, Dependencies extends ChainDependencies>(
  row: EndpointRow,
  spec: EndpointSpec<Schema, Dependencies>,
  build: () => Dependencies,
): Serve {
  return async (request, response, arrival) => {
    let leave: (() => void) | undefined
    try {
      const dependencies = build()
      const exchange = openExchange({ row, inputSchema: spec.input, dependencies, request, response, arrival })
      leave = processEnd.enter(exchange.abort)
      await runInScope(exchange.scope, async () => {
        const handle = async () => spec.handle(describeCall<z.output<Schema>>(exchange), dependencies)
        await send(exchange, await compose(CHAIN, exchange, handle))
        await exchange.work?.catch(() => undefined)
      })
    } catch (thrown) {
      const { status, headers, body, errorId, requestId } = plainAnswer(
        asHttpError(thrown),
        performance.now() - arrival.atMs,
      )
      const fields = { function: row.name, requestId, error_id: errorId, error: errorFields(thrown) }
      log('CRITICAL', 'request.edge_failed', fields)
      if (response.headersSent) response.destroy()
      else response.writeHead(status, { ...headers, Connection: 'close' }).end(body)
    } finally {
      leave?.()
    }
  }
}

function describeCall<Input>(exchange: Exchange): Call<Input> {
  const { request } = exchange
  const user = () => {
    if (exchange.identity.kind !== 'user') throw new HttpError('unauthenticated')
    return exchange.identity
  }
  return {
    signal: exchange.signal,
    requestId: exchange.requestId,
    operation: exchange.operation,
    method: request.method === 'POST' ? 'POST' : 'GET',
    get input() {
      return exchange.input as Input
    },
    get userId() {
      return user().userId
    },
    get limits() {
      return limitsOf(user().plan, exchange.dependencies.config.defaultPlan)
    },
    header(name) {
      const value = request.headers[name.toLowerCase()]
      return Array.isArray(value) ? value[0] : value
    },
    body: () => exchange.body.stream(),
  }
}
