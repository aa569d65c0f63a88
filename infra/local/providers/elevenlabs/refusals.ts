import { randomUUID } from 'node:crypto'

import { ReplyError } from '../../http-service.ts'
import type { Reply } from '../../http-service.ts'
import { STAND_IN_NOTICE } from '../stand-in.ts'

const TYPES: Readonly<Record<number, string>> = {
  401: 'authentication_error',
  402: 'payment_required',
  403: 'authorization_error',
  404: 'not_found',
  429: 'rate_limit_error',
}
const CODES: Readonly<Record<number, string>> = {
  401: 'invalid_api_key',
  402: 'insufficient_credits',
  404: 'not_found',
  429: 'system_busy',
  503: 'service_unavailable',
}
const WORDS: Readonly<Record<number, string>> = {
  401: 'Invalid API key',
  402: 'Not enough credits.',
  429: 'Our service is busy. Please try again.',
}

/** A refusal in the newest of their shapes. */
function refusal(status: number, code: string, message: string, param?: string): Reply {
  const type = TYPES[status] ?? (status >= 500 ? 'api_error' : 'invalid_request_error')
  const detail = { type, code, message, status: code, request_id: randomUUID(), ...(param && { param }) }
  return { status, json: { detail } }
}

/** Answers at once that it is refused. */
export function refuse(status: number, code: string, message: string, param?: string): never {
  throw new ReplyError(refusal(status, code, message, param))
}

/** Answers at once that the check of a field has failed, as FastAPI does. */
export function refuseField(place: 'body' | 'query' | 'path', field: string, message: string): never {
  const detail = [{ loc: [place, field], msg: message, type: 'value_error' }]
  throw new ReplyError({ status: 422, json: { detail } })
}

/** Answers at once that the vendor has it, and that it is not played here. */
export function refuseUnplayed(what: string): never {
  refuse(501, 'not_in_stand_in', `${what} is not in the ElevenLabs that was ${STAND_IN_NOTICE}.`)
}

/** Answers at once that there is no such address, in the one sentence that the vendor has for it, and whose this is. */
export function refuseAddress(address: string): never {
  const detail = `Not Found (${address} is not in the ElevenLabs that was ${STAND_IN_NOTICE})`
  throw new ReplyError({ status: 404, json: { detail } })
}

/** How a refusal is worded of which nothing is known but its status. */
export function refusalOf(status: number, headers: Record<string, string>): Reply {
  const { json } = refusal(status, CODES[status] ?? 'internal_error', WORDS[status] ?? 'Something went wrong.')
  return { status, headers, json }
}
