import { createHash, randomUUID } from 'node:crypto'

import { asHttpError, HttpError } from './http-error.ts'
import { errorFields, log } from '../telemetry/log.ts'
import { answerError, render } from './error-answers.ts'
import type { Answer, Exchange, Wrapper } from './exchange.ts'
import type { RunningTry, StoredAnswer } from './idempotency-record.ts'
import { newOperationId } from './operation.ts'

const KEY_CHARS_MAX = 255

/**
 * Well beyond what a healthy request takes, and short, because after a crash the next try waits for its end. A try that
 * takes longer may be joined by another: both are the same operation, and the one that settles last does not answer.
 */
const LEASE_MS = 10_000
const IN_FLIGHT_RETRY_SECONDS = 1

/**
 * Idempotency-Key on what people post as JSON: a key's first answer is its only answer. It is recorded before it is
 * sent; where it cannot be, the request fails as retryable, and the next try resumes the same operation. Only answers
 * that a repeat cannot change are kept. Source: draft-ietf-httpapi-idempotency-key-header.
 */
export const idempotency: Wrapper = async (exchange, next) => {
  const key = readKey(exchange)
  if (key === undefined) return next()
  const { row, dependencies, identity, fingerprint: ofInput } = exchange
  if (ofInput === undefined) throw new Error('an Idempotency-Key before its input was read')
  const user = identity.kind === 'user' ? identity.userId : ''
  const id = hash([user, row.name, key])
  await dependencies.keys.use(user)
  const begun = await dependencies.idempotency.begin(id, {
    fingerprint: ofInput,
    holder: randomUUID(),
    newOperationId: newOperationId(),
    leaseMs: LEASE_MS,
  })
  switch (begun.kind) {
    case 'replay':
      return replay(begun.answer)
    case 'mismatch':
      throw new HttpError('idempotency_mismatch', { technical: 'The Idempotency-Key was used with another body' })
    case 'inFlight':
      throw describeRunningTry('Another request with this Idempotency-Key is being worked on')
    case 'run':
      exchange.operation = { id: begun.operationId, keyed: true, resumed: begun.resumed }
      return answerAndSettle(exchange, id, begun, next)
  }
}

async function answerAndSettle(
  exchange: Exchange,
  id: string,
  held: RunningTry,
  next: () => Promise<Answer>,
): Promise<Answer> {
  const { idempotency: records } = exchange.dependencies
  let answer: Answer
  try {
    answer = render(await next())
  } catch (thrown) {
    const error = asHttpError(thrown)
    if (error.retryable) {
      await records.settle(id, held, undefined).catch((failure: unknown) => {
        // Its lease frees it, later.
        log('WARNING', 'idempotency.not_released', { error: errorFields(failure) })
      })
      throw thrown
    }
    answer = render(answerError(exchange, error))
  }
  const stored = { status: answer.status, ...(answer.body && { body: answer.body.toString() }) }
  // Another try has taken over, and will answer in this one's place.
  if (!(await records.settle(id, held, stored))) throw describeRunningTry('Another request with this key took over')
  return answer
}

function replay({ status, body }: StoredAnswer): Answer {
  return {
    status,
    ...(body !== undefined && { body: Buffer.from(body) }),
    headers: { 'Idempotency-Replayed': 'true' },
  }
}

function describeRunningTry(technical: string): HttpError {
  return new HttpError('request_in_progress', { technical, retryAfterSeconds: IN_FLIGHT_RETRY_SECONDS })
}

/** The key of a request that takes one. @throws HttpError validation_error */
function readKey({ row, request }: Exchange): string | undefined {
  if (row.caller !== 'user' || request.method !== 'POST' || row.input !== 'json') return undefined
  const keys = request.headersDistinct['idempotency-key']
  if (keys === undefined) return undefined
  const [key = ''] = keys
  if (keys.length === 1 && key.length <= KEY_CHARS_MAX && /^[\x21-\x7e]+$/.test(key)) return key
  throw new HttpError('validation_error', {
    technical: `Idempotency-Key must be one value of 1 to ${KEY_CHARS_MAX} visible ASCII characters`,
  })
}

/** What is the same for the same input, in whatever order its fields come. */
export function fingerprint(input: unknown): string {
  return hash(sortFields(input))
}

function hash(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex')
}

function sortFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortFields)
  if (typeof value !== 'object' || value === null) return value
  return Object.entries(value)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, inner]) => [name, sortFields(inner)])
}
