import type * as z from 'zod'

import { HttpError } from './http-error.ts'
import { fingerprint } from './idempotency.ts'
import type { Exchange, Wrapper } from './exchange.ts'

const ISSUES_MAX = 20
const ISSUE_CHARS_MAX = 300

/** Reads and parses the input where the function table says it is; the handler sees only what its schema let through. */
export const inputParsing: Wrapper = async (exchange, next) => {
  if (exchange.row.alsoGet && exchange.request.method !== exchange.row.method) {
    exchange.body.check()
    return next()
  }
  await readInput(exchange)
  return next()
}

async function readInput(exchange: Exchange): Promise<void> {
  const { row, request, body, signal, identity } = exchange
  const person = identity.kind === 'user' ? identity.userId : identity.kind
  body.check()
  switch (row.input) {
    case 'query':
    case 'stream':
      return takeInput(exchange, parseQuery(exchange))
    case 'ignored':
      await body.read(person, signal, () => undefined)
      return takeInput(exchange, parseQuery(exchange))
    case 'json':
      return body.read(person, signal, (bytes) =>
        takeInput(exchange, parseJson(request.headers['content-type'], bytes)),
      )
  }
}

/** A parsed body can be many times as large as its bytes: what the schema does not let through is not kept. */
function takeInput(exchange: Exchange, value: unknown): void {
  exchange.input = validate(exchange.inputSchema, value)
  if (exchange.request.headers['idempotency-key'] !== undefined) exchange.fingerprint = fingerprint(value)
}

function parseQuery({ query }: Exchange): unknown {
  return Object.fromEntries(new URLSearchParams(query))
}

const JSON_TYPE = /^application\/([\w.-]+\+)?json$/i
const CHARSETS: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii'])

function parseJson(contentType: string | undefined, body: Buffer): unknown {
  if (body.length === 0) return {}
  const [type = '', ...parameters] = (contentType ?? '').split(';').map((part) => part.trim())
  if (!JSON_TYPE.test(type))
    throw new HttpError('unsupported_media_type', { technical: 'Content-Type must be application/json' })
  const charset = parameters.find((parameter) => /^charset=/i.test(parameter))?.slice('charset='.length)
  if (charset !== undefined && !CHARSETS.has(charset.replaceAll('"', '').toLowerCase()))
    throw new HttpError('unsupported_media_type', { technical: 'The charset must be utf-8' })
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown
  } catch (cause) {
    throw new HttpError('validation_error', { technical: 'The body is not valid JSON in UTF-8', cause })
  }
}

function validate(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues
    .slice(0, ISSUES_MAX)
    // A message repeats names that the sender has chosen, however many and long they are.
    .map((issue) => ({
      path: issue.path.join('.').slice(0, ISSUE_CHARS_MAX),
      message: `${issue.message.slice(0, ISSUE_CHARS_MAX)}${issue.code === 'unrecognized_keys' ? describeKnown(schema, issue.path) : ''}`,
    }))
  const first = issues[0]
  throw new HttpError('validation_error', {
    technical: first === undefined ? 'The input is not valid' : `${first.path || 'input'}: ${first.message}`,
    details: { issues },
  })
}

/** Which keys there are where one was sent that is not known. */
function describeKnown(schema: z.ZodType, path: readonly PropertyKey[]): string {
  const names = namesAt(schema, path)
  if (names === undefined) return ''
  return `; known: ${names.join(', ').slice(0, ISSUE_CHARS_MAX) || 'none'}`
}

type Shape = {
  readonly type: string
  readonly shape?: Readonly<Record<string, z.ZodType>>
  readonly innerType?: z.ZodType
  readonly element?: z.ZodType
}

/** The keys of the object at a path; undefined where it cannot be told which object is meant. */
function namesAt(schema: z.ZodType, [key, ...rest]: readonly PropertyKey[]): string[] | undefined {
  const { shape, innerType, element } = schema.def as Shape
  if (innerType !== undefined) return namesAt(innerType, key === undefined ? [] : [key, ...rest])
  if (key === undefined) return shape && Object.keys(shape)
  const next = element ?? (shape && Object.hasOwn(shape, key) ? shape[String(key)] : undefined)
  return next && namesAt(next, rest)
}
