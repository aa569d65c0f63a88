import type * as z from 'zod'

import { AppError } from '../errors/app-error.ts'
import { readBody } from './body.ts'
import type { Exchange, Wrapper } from './exchange.ts'
import { measured } from './timing.ts'

const ISSUES_MAX = 20

/** Reads and parses the input where the function table says it is; the handler sees only what its schema let through. */
export const inputParsing: Wrapper = async (exchange, next) => {
  exchange.input = parse(exchange.inputSchema, await measured(exchange, 'input', rawInput(exchange)))
  return next()
}

async function rawInput(exchange: Exchange): Promise<unknown> {
  const { row, request, url, config } = exchange
  switch (row.input) {
    case 'query':
    case 'stream':
      return Object.fromEntries(url.searchParams)
    case 'ignored':
      await readBody(request, Math.min(row.bodyBytesMax, config.bodyBytesMax))
      return Object.fromEntries(url.searchParams)
    case 'json':
      return json(
        request.headers['content-type'],
        await readBody(request, Math.min(row.bodyBytesMax, config.bodyBytesMax)),
      )
  }
}

function json(contentType: string | undefined, body: Buffer): unknown {
  if (body.length === 0) return {}
  if (!/^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType ?? ''))
    throw new AppError('unsupported_media_type', { technical: 'Content-Type must be application/json' })
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)) as unknown
  } catch (cause) {
    throw new AppError('validation_error', { technical: 'The body is not valid JSON in UTF-8', cause })
  }
}

function parse(schema: z.ZodType, value: unknown): unknown {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const issues = parsed.error.issues
    .slice(0, ISSUES_MAX)
    .map(({ path, message }) => ({ path: path.join('.'), message }))
  const first = issues[0]
  throw new AppError('validation_error', {
    technical: first === undefined ? 'The input is not valid' : `${first.path || 'input'}: ${first.message}`,
    details: { issues },
  })
}
