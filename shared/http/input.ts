import type * as z from 'zod'

import { HttpError } from './http-error.ts'
import type { Exchange, Wrapper } from './exchange.ts'

const ISSUES_MAX = 20

/** Reads and parses the input where the function table says it is; the handler sees only what its schema let through. */
export const inputParsing: Wrapper = async (exchange, next) => {
  if (exchange.row.alsoGet && exchange.request.method !== exchange.row.method) {
    exchange.body.check()
    return next()
  }
  exchange.rawInput = await rawInput(exchange)
  exchange.input = parse(exchange.inputSchema, exchange.rawInput)
  return next()
}

async function rawInput({ row, request, query, body, signal }: Exchange): Promise<unknown> {
  body.check()
  switch (row.input) {
    case 'query':
    case 'stream':
      return Object.fromEntries(new URLSearchParams(query))
    case 'ignored':
      await body.read(signal)
      return Object.fromEntries(new URLSearchParams(query))
    case 'json':
      return json(request.headers['content-type'], await body.read(signal))
  }
}

const JSON_TYPE = /^application\/([\w.-]+\+)?json$/i
const CHARSETS: ReadonlySet<string> = new Set(['utf-8', 'utf8', 'us-ascii'])

function json(contentType: string | undefined, body: Buffer): unknown {
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

function parse(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues
    .slice(0, ISSUES_MAX)
    .map(({ path, message }) => ({ path: path.join('.'), message }))
  const first = issues[0]
  throw new HttpError('validation_error', {
    technical: first === undefined ? 'The input is not valid' : `${first.path || 'input'}: ${first.message}`,
    details: { issues },
  })
}
