import * as z from 'zod'

import type { CallContext } from '../../resilience/call-context.ts'
import { sendForJson, unusable } from '../http.ts'
import type { ProviderRequest } from '../http.ts'
import { kindOfStatus, ProviderError } from '../provider-error.ts'

const ANSWER_BYTES_MAX = 2 * 1024 * 1024
const OK = 200
const INVALID = 400
const WORDS_CHARS_MAX = 300

/** A whole number, or the same as text. */
export const wholeNumber = z.union([
  z.int(),
  z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number),
])

const Envelope = z.looseObject({
  status_code: wholeNumber,
  error_code: z.union([z.string(), z.number()]).nullish(),
  error_message: z.string().nullish(),
  data: z.unknown(),
})

/** Sends a request and opens its envelope, which can say no inside an HTTP 200: both must be looked at. */
export async function sendForData<T>(
  request: ProviderRequest,
  schema: z.ZodType<T>,
  call: CallContext,
  signal: AbortSignal,
): Promise<T> {
  const envelope = await sendForJson(request, Envelope, ANSWER_BYTES_MAX, call, signal)
  const status = statusIn(envelope)
  if (status !== OK) {
    const { kind, ...explained } = request.explain?.(status, JSON.stringify(envelope)) ?? {}
    // That it is we who are set up wrong takes a status that says so.
    const isBelieved = kind !== undefined && (kind !== 'misconfigured' || envelope.status_code !== OK)
    const words = explained.message ?? envelope.error_message ?? ''
    throw new ProviderError(request.provider, request.operation, {
      status,
      ...explained,
      kind: isBelieved ? kind : kindOfStatus(status),
      message:
        words === '' ? `refused without words (${envelope.error_code ?? status})` : words.slice(0, WORDS_CHARS_MAX),
    })
  }
  const parsed = schema.safeParse(envelope.data)
  if (parsed.success) return parsed.data
  throw unusable(request, `the answer lacks ${parsed.error.issues[0]?.path.join('.') ?? 'its data'}`)
}

/** An error without a status of its own is about the request. */
function statusIn({ status_code: status, error_code: error }: z.infer<typeof Envelope>): number {
  const hasError = error !== undefined && error !== null && !['', '0', 'null'].includes(String(error))
  return status === OK && hasError ? INVALID : status
}
